package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
	"github.com/partnergate/partnergate/portal/web"
)

// visit is one request of a member who is logged in, for one partner. What it
// holds was read for this request: a membership taken away ends at once.
type visit struct {
	*server
	w           http.ResponseWriter
	r           *http.Request
	form        url.Values // what was posted
	email       string
	memberships []manager.Membership
	partner     *manager.Partner
	role        manager.Role
}

// member is a page for members; others go to the login page and come back.
func (s *server) member(page func(*visit) error) http.Handler {
	return s.Public(func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visit(w, r)
		switch {
		case err != nil:
			s.Fail(w, r, err)
		case v == nil:
			s.toLogin(w, r)
		case v.partner == nil:
			s.Message(w, r, http.StatusForbidden, "You belong to no partner",
				"Your login works, but no company lists you as a member. Ask an administrator of your company to invite "+v.email+".")
		default:
			var ok bool
			if v.form, ok = s.ReadForm(w, r); !ok {
				return
			}
			if err := page(v); err != nil {
				v.fail(err)
			}
		}
	})
}

// maker is a page for members who may make applications and keys.
func (s *server) maker(page func(*visit) error) http.Handler {
	return s.member(func(v *visit) error {
		if !v.mayMake() {
			return &manager.Error{Code: manager.CodeForbidden, Message: "Your role is " + string(v.role) +
				": you can look at everything of " + title(v.partner.Spec.Title, v.partner.Metadata.Name) +
				", but not change it. Ask an administrator of your company for the role developer."}
		}
		return page(v)
	})
}

// api is a JSON answer for members; its errors are problems, not pages.
func (s *server) api(answer func(*visit) error) http.Handler {
	return s.Public(func(w http.ResponseWriter, r *http.Request) {
		v, err := s.visit(w, r)
		switch {
		case err != nil:
			s.Problem(w, r, err)
		case v == nil:
			s.Problem(w, r, &manager.Error{Code: manager.CodeUnauthorized, Message: "Log in at " + s.PublicURL + "/login first."})
		case v.partner == nil:
			s.Problem(w, r, &manager.Error{Code: manager.CodeForbidden, Message: "You are a member of no partner."})
		default:
			if err := answer(v); err != nil {
				s.Problem(w, r, err)
			}
		}
	})
}

// visit is nil where nobody is logged in; its partner is nil where the person
// has no membership any more.
func (s *server) visit(w http.ResponseWriter, r *http.Request) (*visit, error) {
	ctx := r.Context()
	login, err := s.sessionLogin(ctx)
	if login == nil || err != nil {
		return nil, err
	}
	telemetry.Note(r.Context(), "actor", login.Account.Email)
	v := &visit{server: s, w: w, r: r, email: login.Account.Email, memberships: login.Memberships}
	if len(v.memberships) == 0 {
		return v, nil
	}
	chosen := v.membership(s.Sessions.GetString(ctx, sessionPartner))
	if chosen == nil {
		chosen = &v.memberships[0]
		s.Sessions.Put(ctx, sessionPartner, chosen.Partner) // another membership that comes later does not change what pages are about
	}
	v.role = chosen.Role
	v.partner, err = read[*manager.Partner](ctx, s.Service, manager.Ref{Kind: manager.KindPartner, Name: chosen.Partner})
	return v, err
}

// sessionLogin is whose session this is, nil for nobody's. A session whose
// account is gone or has another password now is ended.
func (s *server) sessionLogin(ctx context.Context) (*manager.Login, error) {
	email := s.Sessions.GetString(ctx, sessionEmail)
	if email == "" {
		return nil, nil
	}
	login, err := s.Service.Login(ctx, email)
	switch manager.CodeOf(err) {
	case manager.CodeNotFound, manager.CodeUnauthorized:
		return nil, s.Sessions.Destroy(ctx)
	}
	if err != nil {
		return nil, err
	}
	if passwordMark(login.Account) != s.Sessions.GetString(ctx, sessionPassword) {
		return nil, s.Sessions.Destroy(ctx)
	}
	return login, nil
}

func (v *visit) membership(partner string) *manager.Membership {
	for i := range v.memberships {
		if v.memberships[i].Partner == partner {
			return &v.memberships[i]
		}
	}
	return nil
}

func (v *visit) mayMake() bool {
	return v.role == manager.RoleAdmin || v.role == manager.RoleDeveloper
}

// name is the partner's name: the scope of everything that the visit reads.
func (v *visit) name() string { return v.partner.Metadata.Name }

func (v *visit) ctx() context.Context { return v.r.Context() }

func (v *visit) actor() manager.Actor {
	return manager.Actor{Name: v.email, Owner: manager.OwnerPortal}
}

// fail answers an error as a page with the navigation around it, but for a
// failure of the portal itself, which that may need as well.
func (v *visit) fail(err error) {
	v.FailAs(v.w, v.r, err, func(f web.Frame, m web.Message) any {
		if m.Status >= http.StatusInternalServerError {
			return v.MessageView(f, m)
		}
		return messageView{v.frame(m.Title, "", everywhere()), m}
	})
}

// redirect goes to another page of the portal after a POST, which says notice once.
func (v *visit) redirect(to, notice string) error {
	v.Sessions.Put(v.ctx(), sessionNotice, notice)
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

func (s *server) toLogin(w http.ResponseWriter, r *http.Request) { s.ToLogin(w, r, "/login") }

// choosePartner keeps which of the person's partners the next pages are about.
func (s *server) choosePartner(v *visit) error {
	chosen := v.membership(v.form.Get("partner"))
	if chosen == nil {
		return web.ErrNotFound
	}
	s.Sessions.Put(v.ctx(), sessionPartner, chosen.Partner)
	http.Redirect(v.w, v.r, "/products", http.StatusSeeOther)
	return nil
}

// read returns a resource as the type that its kind has.
func read[R manager.Resource](ctx context.Context, service *manager.Service, ref manager.Ref) (R, error) {
	var none R
	resource, err := service.Resource(ctx, ref)
	if err != nil {
		return none, err
	}
	typed, ok := resource.(R)
	if !ok {
		return none, web.ErrNotFound
	}
	return typed, nil
}

// title is what people call a thing: its title, else its name.
func title(given, name string) string {
	if strings.TrimSpace(given) == "" {
		return name
	}
	return given
}
