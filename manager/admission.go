package manager

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
)

// Admission knows who holds which token of the admin API: the one that the
// manager was started with, and the named ones.
type Admission struct {
	service   *Service
	bootstrap []byte // the SHA-256 of the token's text; nil: there is none
}

// Admission admits named tokens, and as BootstrapToken who has the text given.
func (s *Service) Admission(bootstrap string) *Admission {
	a := &Admission{service: s}
	if bootstrap != "" {
		digest := sha256.Sum256([]byte(bootstrap))
		a.bootstrap = digest[:]
	}
	return a
}

// Principal is who holds the token with that text; CodeUnauthorized where
// nobody does, or not any more.
func (a *Admission) Principal(ctx context.Context, text string) (Principal, error) {
	digest := sha256.Sum256([]byte(text))
	if a.isBootstrap(digest) || isTokenText(text) {
		return a.Holder(ctx, digest)
	}
	return Principal{}, errToken("is unknown")
}

// Holder is Principal by the SHA-256 of the token's text.
func (a *Admission) Holder(ctx context.Context, digest [sha256.Size]byte) (Principal, error) {
	a.service.refresh(ctx)
	if a.isBootstrap(digest) {
		return Principal{Name: BootstrapToken, Grant: &Grant{Role: TokenAdmin}}, nil
	}
	token, err := a.service.adminToken(ctx, digest)
	if err != nil {
		return Principal{}, err
	}
	return Principal{token.Name, &Grant{Role: token.Role, Teams: token.Teams}}, nil
}

// isBootstrap takes a time that does not depend on which token it is.
func (a *Admission) isBootstrap(digest [sha256.Size]byte) bool {
	return subtle.ConstantTimeCompare(a.bootstrap, digest[:]) == 1
}

// consoleLogin stands for all tokens where logins are counted: no member has such an address.
const consoleLogin = "the console"

// LogIn is Principal for people who type a token into a page. Wrong ones are
// counted by address, apart from members' logins, and CodeTooMany once there are
// too many. A right one is admitted whatever has failed: it is too long to be
// guessed, and nobody behind the same address shall shut the operators out.
func (a *Admission) LogIn(ctx context.Context, text string) (Principal, error) {
	p, err := a.Principal(ctx, strings.TrimSpace(text))
	if CodeOf(err) != CodeUnauthorized {
		return p, err
	}
	if throttled := a.service.newAttempt(ctx, consoleLogin).beginApart(ctx); throttled != nil {
		return Principal{}, throttled
	}
	return Principal{}, err
}
