package demo

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"strings"
)

// state is what the demo remembers between runs, in a file that only its user can read.
type state struct {
	path string

	AdminToken string            `json:"admin_token"`
	EdgeToken  string            `json:"edge_token"`
	Passwords  map[string]string `json:"passwords"` // by email
	Keys       []string          `json:"keys"`      // public ids of the demo keys of the last run
}

func loadState(path string) (*state, error) {
	s := &state{path: path}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read the demo's tokens and passwords: %w", err)
	default:
		if err := json.Unmarshal(data, s); err != nil {
			return nil, fmt.Errorf("%s is damaged (%w); remove it to get new tokens and passwords", path, err)
		}
	}
	if s.AdminToken == "" {
		s.AdminToken = randomToken()
	}
	if s.EdgeToken == "" {
		s.EdgeToken = randomToken()
	}
	if s.Passwords == nil {
		s.Passwords = map[string]string{}
	}
	return s, s.save()
}

// save replaces the file whole, so that an interrupted run leaves the old or the new one.
func (s *state) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	part := s.path + ".part"
	if err := os.WriteFile(part, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the demo's tokens and passwords: %w", err)
	}
	if err := os.Rename(part, s.path); err != nil {
		return fmt.Errorf("keep the demo's tokens and passwords: %w", err)
	}
	return nil
}

// password is the password of a member, made on first use.
func (s *state) password(email string) string {
	if s.Passwords[email] == "" {
		s.Passwords[email] = memorable()
	}
	return s.Passwords[email]
}

func randomToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

//go:embed words.txt
var words string

// memorable is a password of four words and a number: enough against guessing
// at a login that bounds the tries.
func memorable() string {
	list := strings.Fields(words)
	var parts []string
	for range 4 {
		parts = append(parts, list[below(len(list))])
	}
	return fmt.Sprintf("%s-%d", strings.Join(parts, "-"), 10+below(90))
}

func below(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // rand.Reader never fails
	}
	return int(i.Int64())
}
