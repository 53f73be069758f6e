package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/manager"
)

// loginView is the login page.
type loginView struct {
	Frame  frame
	Next   string
	Failed bool
	Wait   string // "7 minutes" where too many logins have failed
}

func (s *server) loginForm(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, loginView{Frame: s.frame(r, "Log in"), Next: localPath(r.URL.Query().Get("next"))})
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	form, ok := s.readForm(w, r)
	if !ok {
		return
	}
	next := localPath(form.Get("next"))
	login, err := s.service.Authenticate(r.Context(), form.Get("email"), form.Get("password"))
	if manager.CodeOf(err) == manager.CodeUnauthorized {
		s.render(w, r, http.StatusUnauthorized, loginView{Frame: s.frame(r, "Log in"), Next: next, Failed: true})
		return
	}
	if wait := retryAfter(w, err); wait != "" {
		s.render(w, r, http.StatusTooManyRequests, loginView{Frame: s.frame(r, "Log in"), Next: next, Wait: wait})
		return
	}
	if err == nil {
		err = s.begin(r, login)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if next == "" {
		next = "/products"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// begin starts a session under a new token: one planted before the login is of no use after it.
func (s *server) begin(r *http.Request, login *manager.Login) error {
	ctx := r.Context()
	if err := s.sessions.Clear(ctx); err != nil {
		return err
	}
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.Put(ctx, sessionEmail, login.Account.Email)
	s.sessions.Put(ctx, sessionPassword, passwordMark(login.Account))
	return s.service.Sessions().DeleteExpiredSessions(ctx, s.now())
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// localPath is path where it leads to a page of the portal itself, else "".
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return ""
	}
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Path == "/login" {
		return ""
	}
	return u.RequestURI()
}

// themes are the values of the theme cookie; "" follows the system.
var themes = []string{"", "light", "dark"}

const themeCookie = "partnergate_theme"

// theme is what the reader chose, "" for what their system has.
func theme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// chooseTheme is the theme buttons without scripts; portal.js sets the same cookie itself.
func (s *server) chooseTheme(w http.ResponseWriter, r *http.Request) {
	form, ok := s.readForm(w, r)
	if !ok {
		return
	}
	cookie := http.Cookie{Name: themeCookie, Path: "/", MaxAge: 365 * 86400, SameSite: http.SameSiteLaxMode, Secure: s.secure}
	if cookie.Value = form.Get("theme"); cookie.Value == "" {
		cookie.MaxAge = -1
	}
	if cookie.Value != "" && cookie.Value != "light" && cookie.Value != "dark" {
		s.notFound(w, r)
		return
	}
	http.SetCookie(w, &cookie)
	back := localPath(form.Get("back"))
	if back == "" {
		back = "/products"
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
