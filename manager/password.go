package manager

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The cost of a password's hash: argon2id with OWASP's minimum, 19 MiB, two
// passes, one lane.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// Bounds of a password, in characters, and of what is hashed at once: logins must
// not be able to take the whole machine.
const (
	minPassword = 12
	maxPassword = 256
	maxHashing  = 2
)

// passwords hashes and checks passwords.
type passwords struct {
	metrics *Metrics

	turns chan struct{}
	work  atomic.Int64 // passwords hashed or checked: the work done for each must be the same
	decoy string       // the hash of a password that nobody has
}

func newPasswords(metrics *Metrics) *passwords {
	p := &passwords{metrics: metrics, turns: make(chan struct{}, maxHashing)}
	p.decoy = hashPassword(rand.Text())
	return p
}

// hash returns password's argon2id hash as a PHC string.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	if err := p.begin(ctx); err != nil {
		return "", err
	}
	defer p.end()
	p.work.Add(1)
	return hashPassword(password), nil
}

// check tells whether password has the hash. An empty hash has no password,
// and a password too long is nobody's; both cost what any other does.
func (p *passwords) check(ctx context.Context, password, hash string) (bool, error) {
	if err := p.begin(ctx); err != nil {
		return false, err
	}
	defer p.end()
	possible := hash != "" && utf8.RuneCountInString(password) <= maxPassword
	if !possible {
		password, hash = password[:min(len(password), maxPassword)], p.decoy
	}
	p.work.Add(1)
	return matchesHash(password, hash) && possible, nil
}

func (p *passwords) begin(ctx context.Context) error {
	defer p.metrics.passwordWaits()()
	select {
	case p.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &Error{Code: CodeUnavailable, Message: "too many people are logging in at once; try again in a moment"}
	}
}

func (p *passwords) end() { <-p.turns }

func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // crypto/rand.Read never fails
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// matchesHash checks a password against a PHC string, with the cost that it names.
func matchesHash(password, hash string) bool {
	parts := strings.Split(hash, "$") // "", argon2id, v=, m=…, salt, key
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false
	}
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil || passes < 1 || lanes < 1 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) == 0 {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}
