package portal

import (
	"net/http"

	"github.com/partnergate/partnergate/manager"
)

// passwordView is the form for a new password of one's own.
type passwordView struct {
	Frame  frame
	Errors passwordErrors
}

// passwordErrors are what is wrong with each field; empty for what is right.
type passwordErrors struct{ Current, New string }

func (s *server) passwordForm(v *visit) error {
	return v.render(passwordView{Frame: v.frame("Change password", "", everywhere())})
}

func (s *server) changePassword(v *visit) error {
	var errors passwordErrors
	err := s.Service.ChangePassword(v.ctx(), v.actor(), v.name(), v.form.Get("current"), v.form.Get("new"))
	switch manager.CodeOf(err) {
	case manager.CodeInvalid:
		errors.New = passwordRule
	case manager.CodeUnauthorized:
		errors.Current = "That is not your password."
	default:
		if err != nil {
			return err
		}
		return v.goOnAfter("Your password is changed. Other browsers where you were logged in are logged out.")
	}
	s.Render(v.w, v.r, http.StatusUnprocessableEntity, passwordView{Frame: v.frame("Change password", "", everywhere()), Errors: errors})
	return nil
}

const passwordRule = "Use 12 to 256 characters, and not your email address."

// goOnAfter keeps this browser logged in after a new password, which ends all sessions.
func (v *visit) goOnAfter(notice string) error {
	login, err := v.Service.Login(v.ctx(), v.email)
	if err != nil {
		return err
	}
	if err := v.begin(v.r, login); err != nil {
		return err
	}
	v.Sessions.Put(v.ctx(), sessionPartner, v.name())
	return v.redirect("/products", notice)
}
