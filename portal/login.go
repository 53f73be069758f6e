package portal

import (
	"net/http"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// loginView is the login page.
type loginView struct {
	Frame  frame
	Next   string
	Email  string // as it was typed
	Failed bool
	Wait   string // "7 minutes" where too many logins have failed
}

func (s *server) loginForm(w http.ResponseWriter, r *http.Request) {
	s.Render(w, r, http.StatusOK, loginView{Frame: s.frame(r, "Log in"), Next: web.LocalPath(r.URL.Query().Get("next"))})
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	form, ok := s.ReadForm(w, r)
	if !ok {
		return
	}
	next := web.LocalPath(form.Get("next"))
	login, err := s.Service.Authenticate(r.Context(), form.Get("email"), form.Get("password"))
	if manager.CodeOf(err) == manager.CodeUnauthorized {
		s.Render(w, r, http.StatusUnauthorized, loginView{Frame: s.frame(r, "Log in"), Next: next, Email: form.Get("email"), Failed: true})
		return
	}
	if wait := web.RetryAfter(w, err); wait != "" {
		s.Render(w, r, http.StatusTooManyRequests, loginView{Frame: s.frame(r, "Log in"), Next: next, Email: form.Get("email"), Wait: wait})
		return
	}
	if err == nil {
		err = s.begin(r, login)
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	if next == "" {
		next = "/products"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// begin starts the session of who has logged in.
func (s *server) begin(r *http.Request, login *manager.Login) error {
	return s.Begin(r, map[string]string{sessionEmail: login.Account.Email, sessionPassword: passwordMark(login.Account)})
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.Sessions.Destroy(r.Context()); err != nil {
		s.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
