package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/partnergate/partnergate/manager"
)

// SessionStore keeps sessions of scs under the SHA-256 of their token, so that
// who reads the store cannot take over a login.
type SessionStore struct {
	Store manager.SessionStore
	Now   func() time.Time
}

var _ scs.CtxStore = SessionStore{}

// loadedKey is where a request notes which session it has loaded.
type loadedKey struct{}

// remembering lets a request note which session it loads.
func remembering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loadedKey{}, new(string))))
	})
}

// FindCtx implements scs.CtxStore.
func (s SessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	session, err := s.Store.Session(ctx, sha256.Sum256([]byte(token)), s.Now())
	if errors.Is(err, manager.ErrMissing) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if loaded, ok := ctx.Value(loadedKey{}).(*string); ok {
		*loaded = token
	}
	return session.Data, true, nil
}

// CommitCtx implements scs.CtxStore. A session that was loaded and has been
// ended since, by a logout in another tab, is not brought back.
func (s SessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	put := s.Store.PutSession
	if loaded, ok := ctx.Value(loadedKey{}).(*string); ok && *loaded == token {
		put = s.Store.KeepSession
	}
	return put(ctx, &manager.Session{TokenDigest: sha256.Sum256([]byte(token)), Data: data, ExpiresAt: expiry})
}

// DeleteCtx implements scs.CtxStore.
func (s SessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.Store.DeleteSession(ctx, sha256.Sum256([]byte(token)))
}

// The methods without a context complete scs.Store; scs prefers those above.

// Find implements scs.Store.
func (s SessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit implements scs.Store.
func (s SessionStore) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete implements scs.Store.
func (s SessionStore) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}
