// Package web is what the pages for partners and those for operators are both
// made of: sessions, guards, templates, assets and words.
package web

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/partnergate/partnergate/manager"
)

// Site is one set of pages at work: those for partners, or those for operators.
type Site struct {
	Service   *manager.Service
	PublicURL string // without a slash at its end
	Secure    bool   // people reach it by https
	Logger    *slog.Logger
	Now       func() time.Time
	Sessions  *scs.SessionManager
	Assets    *Assets
	Pages     Pages

	Home string // the path of its first page
	Keys string // what to say of API keys where a page failed; may be empty
	// MessageView is the view of a page that says one thing.
	MessageView func(Frame, Message) any
}

// NewSessions are sessions under a cookie that scripts cannot read, which ends
// with the browser and after lifetime however much it is used.
func (s *Site) NewSessions(cookie string, lifetime time.Duration) *scs.SessionManager {
	m := scs.New()
	m.Store = SessionStore{s.Service.Sessions(), s.Now}
	m.Lifetime = lifetime
	m.Cookie.Name = cookie
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Secure = s.Secure
	m.Cookie.Persist = false
	return m
}

// Begin starts a session of its own under a new token: one planted before the login is of no use after it.
func (s *Site) Begin(r *http.Request, values map[string]string) error {
	ctx := r.Context()
	if err := s.Sessions.Clear(ctx); err != nil {
		return err
	}
	if err := s.Sessions.RenewToken(ctx); err != nil {
		return err
	}
	for name, value := range values {
		s.Sessions.Put(ctx, name, value)
	}
	return s.Service.Sessions().DeleteExpiredSessions(ctx, s.Now())
}

// Public is a page for anybody, with the session loaded.
func (s *Site) Public(page http.HandlerFunc) http.Handler {
	return remembering(s.withSession(page))
}

// ToLogin sends to a login page, and from there back to the page asked for.
func (s *Site) ToLogin(w http.ResponseWriter, r *http.Request, login string) {
	to := login
	if next := r.URL.RequestURI(); r.Method == http.MethodGet && next != s.Home {
		to += "?" + url.Values{"next": {next}}.Encode()
	}
	if r.Header.Get("HX-Request") != "" { // a part of a page: the whole page must go
		w.Header().Set("HX-Redirect", login)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
