package portal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/partnergate/partnergate/manager"
)

// What a session holds. Never a key, never a password.
const (
	sessionEmail    = "email"
	sessionPassword = "password" // a mark of the password hash: a new password ends older sessions
	sessionPartner  = "partner"  // the one chosen; membership is checked on every page
	sessionNotice   = "notice"   // what to say once on the next page
)

// sessionLifetime ends a login however much it is used.
const sessionLifetime = 12 * time.Hour

func newSessions(store manager.SessionStore, s *server) *scs.SessionManager {
	m := scs.New()
	m.Store = sessionStore{store, s.now}
	m.Lifetime = sessionLifetime
	m.Cookie.Name = "partnergate_session"
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Secure = s.secure
	m.Cookie.Persist = false
	m.ErrorFunc = s.fail
	return m
}

// passwordMark tells one password of an account from the next without being of use to guess it.
func passwordMark(account *manager.Account) string {
	sum := sha256.Sum256([]byte("session\x00" + account.PasswordHash))
	return hex.EncodeToString(sum[:8])
}

// sessionStore keeps sessions of scs under the SHA-256 of their token, so that
// who reads the store cannot take over a login.
type sessionStore struct {
	store manager.SessionStore
	now   func() time.Time
}

var _ scs.CtxStore = sessionStore{}

func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	session, err := s.store.Session(ctx, sha256.Sum256([]byte(token)), s.now())
	if errors.Is(err, manager.ErrMissing) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return session.Data, true, nil
}

func (s sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	return s.store.PutSession(ctx, &manager.Session{
		TokenDigest: sha256.Sum256([]byte(token)), Data: data, ExpiresAt: expiry,
	})
}

func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.store.DeleteSession(ctx, sha256.Sum256([]byte(token)))
}

// The methods without a context complete scs.Store; scs prefers those above.

func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s sessionStore) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

func (s sessionStore) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}
