package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
	"github.com/partnergate/partnergate/portal/web"
)

// What a session holds. Never a token: its SHA-256, by which the manager knows it.
const (
	sessionToken  = "token"
	sessionNotice = "notice" // what to say once on the next page
	sessionChange = "change" // the policy version that made it so
)

// A session ends when nobody comes for a while, and in any case after a working day.
const (
	sessionIdle     = 30 * time.Minute
	sessionLifetime = 10 * time.Hour
)

func (s *server) newSessions() *scs.SessionManager {
	m := s.NewSessions("partnergate_console", sessionLifetime)
	m.IdleTimeout = sessionIdle
	m.Cookie.SameSite = http.SameSiteStrictMode
	m.Cookie.Path = home
	return m
}

// loginView is the page that asks for a token.
type loginView struct {
	Frame  frame
	Next   string
	Failed string // why
}

func (s *server) showLogin(w http.ResponseWriter, r *http.Request, status int, next, failed string) {
	s.Render(w, r, status, loginView{Frame: frame{Frame: s.Frame(r, "Sign in")}, Next: next, Failed: failed})
}

func (s *server) loginForm(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, r, http.StatusOK, web.LocalPath(r.URL.Query().Get("next")), "")
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	form, ok := s.ReadForm(w, r)
	if !ok {
		return
	}
	next, text := web.LocalPath(form.Get("next")), trimmed(form.Get("token"))
	_, err := s.admission.LogIn(r.Context(), text)
	if manager.CodeOf(err) == manager.CodeUnauthorized {
		s.showLogin(w, r, http.StatusUnauthorized, next, "That is no token that works now: it is unknown, revoked or expired.")
		return
	}
	if wait := web.RetryAfter(w, err); wait != "" {
		s.showLogin(w, r, http.StatusTooManyRequests, next, "That is no token that works now, and too many tries have failed from here. Try again in "+wait+", or with a token that works.")
		return
	}
	if err == nil {
		digest := sha256.Sum256([]byte(text))
		err = s.Begin(r, map[string]string{sessionToken: hex.EncodeToString(digest[:])})
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	if next == "" {
		next = home
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.Sessions.Destroy(r.Context()); err != nil {
		s.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/admin/login", http.StatusSeeOther)
}

// holder is a page for who has signed in with a token that includes what is needed.
func (s *server) holder(needs manager.Permission, page func(*visit) error) http.Handler {
	return s.Public(func(w http.ResponseWriter, r *http.Request) {
		p, err := s.sessionHolder(r.Context())
		switch {
		case err != nil:
			s.Fail(w, r, err)
			return
		case p == nil:
			s.ToLogin(w, r, "/admin/login")
			return
		}
		telemetry.Note(r.Context(), "actor", p.Name)
		v := &visit{server: s, w: w, r: r, principal: *p}
		if needs != holders {
			err = p.Needs(needs)
		}
		if err == nil && r.Method == http.MethodPost {
			var ok bool
			if v.form, ok = s.ReadForm(w, r); !ok {
				return
			}
		}
		if err == nil {
			err = page(v)
		}
		if err != nil {
			s.Fail(w, r, err)
		}
	})
}

// sessionHolder is whose session this is, nil for nobody's. A session whose
// token has been revoked or has expired is ended.
func (s *server) sessionHolder(ctx context.Context) (*manager.Principal, error) {
	digest, _ := hex.DecodeString(s.Sessions.GetString(ctx, sessionToken)) // what is none has another length
	if len(digest) != sha256.Size {
		return nil, nil
	}
	p, err := s.admission.Holder(ctx, [sha256.Size]byte(digest))
	if manager.CodeOf(err) == manager.CodeUnauthorized {
		return nil, s.Sessions.Destroy(ctx)
	}
	return &p, err
}
