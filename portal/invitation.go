package portal

import (
	"net/http"

	"github.com/partnergate/partnergate/manager"
)

// invitationView is what an invited person sees. It needs no login: the link is the proof.
type invitationView struct {
	Frame                       frame
	Token, Partner, Email, Role string
	Error                       string
}

func (s *server) invitation(w http.ResponseWriter, r *http.Request) {
	s.showInvitation(w, r, http.StatusOK, r.URL.Query().Get("token"), "")
}

func (s *server) showInvitation(w http.ResponseWriter, r *http.Request, status int, token, problem string) {
	i, err := s.Service.InvitationOf(r.Context(), token)
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	f := s.frame(r, "Invitation")
	f.Path = "/login" // where the theme buttons lead back to: no page keeps the token
	s.Render(w, r, status, invitationView{
		Frame: f, Token: token, Partner: title(i.Partner.Spec.Title, i.Partner.Metadata.Name), Email: i.Email, Role: string(i.Role),
		Error: problem,
	})
}

// accept makes the person a member and logs in.
func (s *server) accept(w http.ResponseWriter, r *http.Request) {
	form, ok := s.ReadForm(w, r)
	if !ok {
		return
	}
	token := form.Get("token")
	login, err := s.Service.AcceptInvitation(r.Context(), token, form.Get("password"))
	switch manager.CodeOf(err) {
	case manager.CodeInvalid:
		s.showInvitation(w, r, http.StatusUnprocessableEntity, token, passwordRule)
		return
	case manager.CodeUnauthorized:
		s.showInvitation(w, r, http.StatusUnauthorized, token, "That is not the password of your login. If you have none yet, or have forgotten it, ask your contact at the provider for a new one.")
		return
	}
	if err == nil {
		err = s.begin(r, login)
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/products", http.StatusSeeOther)
}
