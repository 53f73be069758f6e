package manager

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a token's text is made of: a prefix by which scanners find it, and 200
// random bits as characters that need no escaping anywhere.
const (
	tokenPrefix   = "pgt_"
	tokenLength   = 40
	tokenAlphabet = "abcdefghijklmnopqrstuvwxyz234567"
)

// BootstrapToken is the name of the token that the manager is started with.
const BootstrapToken = "bootstrap"

// Bounds of tokens.
const (
	maxTokenLife  = 10 * 365 * 24 * time.Hour
	maxTokenTeams = 50
	maxTokens     = 1000
)

// useNoted is how exact a token's last use is kept: not each call is worth a write.
const useNoted = time.Minute

// TokenRoles are the roles of tokens, strongest first.
var TokenRoles = []TokenRole{TokenAdmin, TokenOperator, TokenAuditor, TokenSupport}

// NewToken is a token on the one occasion on which it is shown.
type NewToken struct {
	Name      string     `json:"name"`
	Token     string     `json:"token"`
	Role      TokenRole  `json:"role"`
	Teams     []string   `json:"teams,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// TokenState is the token's state at a time: active, expired or revoked.
func (t *AdminToken) TokenState(now time.Time) string {
	switch {
	case t.RevokedAt != nil:
		return CredentialRevoked
	case t.ExpiresAt != nil && !now.Before(*t.ExpiresAt):
		return CredentialExpired
	}
	return CredentialActive
}

// CreateAdminToken makes a token; expiresIn 0 means that it never expires, and any other is minLife or more. A
// name is used once: it stands for this token in the audit log for ever. Without
// teams, nil, it is not confined to any.
func (s *Service) CreateAdminToken(ctx context.Context, actor Actor, name string, role TokenRole, teams []string, expiresIn time.Duration) (*NewToken, error) {
	if len(teams) > 0 { // an empty list is not none, and refused
		teams = slices.Compact(slices.Sorted(slices.Values(teams)))
	}
	if err := checkToken(name, role, teams, expiresIn); err != nil {
		return nil, err
	}
	stored, err := s.AdminTokens(ctx)
	if err != nil {
		return nil, err
	}
	if len(stored) >= maxTokens {
		return nil, &Error{Code: CodeConflict, Message: fmt.Sprintf("there are %d tokens already", len(stored))}
	}
	text := tokenPrefix + randomText(tokenLength, tokenAlphabet)
	token := &AdminToken{Name: name, Digest: sha256.Sum256([]byte(text)), Role: role, Teams: teams, CreatedBy: actor.Name, CreatedAt: *s.timestamp()}
	if expiresIn > 0 {
		ends := token.CreatedAt.Add(expiresIn)
		token.ExpiresAt = milliseconds(&ends)
	}
	e := s.entry(ctx, actor, string(ActionCreated), Ref{Kind: KindToken, Name: name})
	e.After = tokenDocument(token)
	err = s.store.PutAdminToken(ctx, token, e)
	if errors.Is(err, ErrRevision) {
		return nil, &Error{Code: CodeConflict, Message: fmt.Sprintf("there is or was a token %s; a name stands for one token for ever, so choose another", name)}
	}
	if err != nil {
		return nil, s.unavailable("PutAdminToken", err)
	}
	return &NewToken{Name: name, Token: text, Role: role, Teams: teams, ExpiresAt: token.ExpiresAt}, nil
}

func checkToken(name string, role TokenRole, teams []string, expiresIn time.Duration) error {
	var p problems
	checkLabel(name, "name", &p)
	if name == BootstrapToken {
		p.addf(0, "name", "%q is the token that the manager is started with; choose another name", name)
	}
	oneOf(role, "role", &p, TokenRoles...)
	if role == TokenAdmin && len(teams) > 0 {
		p.add(0, "teams", "a token of the role admin cannot be confined to teams, since it could make one that is not; choose another role")
	}
	if teams != nil && len(teams) == 0 {
		p.add(0, "teams", "is empty, which would confine the token to no product; name some or leave the field out for a token that is not confined")
	}
	if len(teams) > maxTokenTeams {
		p.addf(0, "teams", "there are %d; give at most %d", len(teams), maxTokenTeams)
	}
	for i, team := range teams {
		if strings.TrimSpace(team) == "" || len(team) > 200 {
			p.add(0, index("teams", i), "must be the name of a provider team, as products name theirs")
		}
	}
	if expiresIn != 0 && (expiresIn < minLife || expiresIn > maxTokenLife) {
		p.addf(0, "expires_in", "%v is out of range; give 1m to %dd, or leave it out for a token that never expires", expiresIn, maxTokenLife/(24*time.Hour))
	}
	return p.err("the token is not valid")
}

func tokenDocument(t *AdminToken) []byte {
	return auditJSON(struct {
		Role      TokenRole  `json:"role"`
		Teams     []string   `json:"teams,omitempty"`
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
		RevokedAt *time.Time `json:"revoked_at,omitempty"`
	}{t.Role, t.Teams, t.ExpiresAt, t.RevokedAt})
}

// AdminTokens lists all tokens by name, also those that ended.
func (s *Service) AdminTokens(ctx context.Context) ([]AdminToken, error) {
	tokens, err := s.store.AdminTokens(ctx)
	if err != nil {
		return nil, s.unavailable("AdminTokens", err)
	}
	return tokens, nil
}

// RevokeAdminToken ends a token at once, on every manager. One that is revoked stays so.
func (s *Service) RevokeAdminToken(ctx context.Context, actor Actor, name string) error {
	for range maxTries {
		tokens, err := s.AdminTokens(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(tokens, func(t AdminToken) bool { return t.Name == name })
		if i < 0 {
			return notFound(Ref{Kind: KindToken, Name: name})
		}
		if tokens[i].RevokedAt != nil {
			return nil
		}
		revoked := tokens[i]
		revoked.RevokedAt = s.timestamp()
		e := s.entry(ctx, actor, actionRevoked, Ref{Kind: KindToken, Name: name})
		e.Before, e.After = tokenDocument(&tokens[i]), tokenDocument(&revoked)
		if err = s.store.PutAdminToken(ctx, &revoked, e); !errors.Is(err, ErrRevision) {
			if err != nil {
				return s.unavailable("PutAdminToken", err)
			}
			return nil
		}
	}
	return &Error{Code: CodeUnavailable, Message: "others keep changing this token; try again"}
}

// isTokenText tells whether a text has the form of a named token.
func isTokenText(text string) bool {
	return strings.HasPrefix(text, tokenPrefix) && len(text) == len(tokenPrefix)+tokenLength
}

// adminToken finds the token whose text has a digest, and notes that it was
// used. Unknown, revoked and expired ones are CodeUnauthorized.
func (s *Service) adminToken(ctx context.Context, digest [sha256.Size]byte) (*AdminToken, error) {
	token, err := s.store.AdminToken(ctx, digest)
	if errors.Is(err, ErrMissing) {
		return nil, errToken("is unknown")
	}
	if err != nil {
		return nil, s.unavailable("AdminToken", err)
	}
	now := s.now()
	if state := token.TokenState(now); state != CredentialActive {
		return nil, errToken(fmt.Sprintf("%s is %s", token.Name, state))
	}
	if s.tokenUses.due(token.Name, now) {
		if err := s.store.NoteTokenUse(ctx, token.Name, *s.timestamp()); err != nil {
			_ = s.unavailable("NoteTokenUse", err) // logged and counted; the call itself goes on
		}
	}
	return token, nil
}

func errToken(what string) error {
	return &Error{Code: CodeUnauthorized, Message: "the token " + what + "; an admin makes tokens with `partnergate tokens create`"}
}

// tokenUses remembers when each token's use was noted.
type tokenUses struct {
	mu    sync.Mutex
	noted map[string]time.Time
}

func (u *tokenUses) due(name string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, known := u.noted[name]; known && now.Sub(last) < useNoted {
		return false
	}
	if u.noted == nil {
		u.noted = map[string]time.Time{}
	}
	u.noted[name] = now
	return true
}
