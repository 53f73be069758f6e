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

type loaded struct {
	token   string
	leaveBe bool // the request stores nothing
}

// remembering lets a request note which session it loads.
func remembering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loadedKey{}, &loaded{})))
	})
}

func loadedBy(ctx context.Context) *loaded {
	if l, ok := ctx.Value(loadedKey{}).(*loaded); ok {
		return l
	}
	return &loaded{}
}

// LeaveSession leaves the session as it is, with its end: for requests that
// pages make by themselves, which say nothing of whether somebody is there.
func LeaveSession(ctx context.Context) { loadedBy(ctx).leaveBe = true }

// FindCtx implements scs.CtxStore.
func (s SessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	session, err := s.Store.Session(ctx, sha256.Sum256([]byte(token)), s.Now())
	if errors.Is(err, manager.ErrMissing) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	loadedBy(ctx).token = token
	return session.Data, true, nil
}

// CommitCtx implements scs.CtxStore. A session that was loaded and has been
// ended since, by a logout in another tab, is not brought back. scs goes by the
// machine's clock; what it says of the end is how far off that is.
func (s SessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	session := &manager.Session{TokenDigest: sha256.Sum256([]byte(token)), Data: data, ExpiresAt: s.Now().Add(time.Until(expiry))}
	switch l := loadedBy(ctx); {
	case l.token != token:
		return s.Store.PutSession(ctx, session)
	case l.leaveBe:
		return nil
	}
	return s.Store.KeepSession(ctx, session)
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
