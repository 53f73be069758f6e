package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// roles are what a member can be, weakest first.
var roles = []web.Choice{
	{Value: string(manager.RoleViewer), Label: "Viewer", Hint: "Looks at everything, changes nothing."},
	{Value: string(manager.RoleDeveloper), Label: "Developer", Hint: "Also makes applications and keys.", Current: true},
	{Value: string(manager.RoleAdmin), Label: "Admin", Hint: "Also invites and removes members."},
}

// membersView is the page about who belongs to the partner.
type membersView struct {
	Frame       frame
	Members     []memberRow
	Invitations []invitationRow
}

// memberRow is one member.
type memberRow struct {
	Email, ID string // ID is for the page's own references
	Role      string
	You       bool
	Invited   bool // has no password yet
	Since     web.Moment
	RoleURL   string
	RemoveURL string
	Roles     []web.Choice
}

// invitationRow is one invitation that has not been accepted.
type invitationRow struct {
	Email, Role string
	InvitedBy   string
	Expires     web.Moment
	CancelURL   string
}

// memberInviteView is the form for an invitation.
type memberInviteView struct {
	Frame frame
	Email string
	Error string // what is wrong with the email
	Roles []web.Choice
}

// memberInvitedView shows the link of an invitation, the only time.
type memberInvitedView struct {
	Frame       frame
	Email, Role string
	Link        string
	Expires     web.Moment
}

// memberRemoveView asks whether a member shall really go.
type memberRemoveView struct {
	Frame  frame
	Email  string
	You    bool
	Action string
}

// admin is a page for members who may manage members.
func (s *server) admin(page func(*visit) error) http.Handler {
	return s.member(func(v *visit) error {
		if v.role != manager.RoleAdmin {
			return &manager.Error{Code: manager.CodeForbidden, Message: "Your role is " + string(v.role) +
				"; only administrators of " + title(v.partner.Spec.Title, v.partner.Metadata.Name) + " see and change who belongs to it."}
		}
		return page(v)
	})
}

// everywhere is the scope of a page that is about no environment.
func everywhere() *scope { return &scope{current: environmentChoice{Tone: "all"}} }

func memberURL(email, action string) string {
	return "/members/" + url.PathEscape(email) + "/" + action
}

func (s *server) members(v *visit) error {
	members, err := s.Service.Roster(v.ctx(), v.name())
	if err != nil {
		return err
	}
	view := membersView{Frame: v.frame("Members", "members", everywhere())}
	for i, m := range members {
		if m.Joined {
			view.Members = append(view.Members, memberRow{
				Email: m.Email, ID: "role-" + web.Number(int64(i)), Role: string(m.Role), You: m.Email == v.email,
				Invited: m.State == manager.MemberInvited, Since: web.Day(m.CreatedAt),
				RoleURL: memberURL(m.Email, "role"), RemoveURL: memberURL(m.Email, "remove"), Roles: rolesWith(string(m.Role)),
			})
		}
		if link := m.Invitation; link != nil {
			view.Invitations = append(view.Invitations, invitationRow{
				Email: m.Email, Role: string(link.Role), InvitedBy: link.InvitedBy, Expires: web.Until(link.ExpiresAt, s.Now()),
				CancelURL: "/invitations/" + url.PathEscape(m.Email) + "/cancel",
			})
		}
	}
	return v.render(view)
}

// rolesWith are the roles with one of them chosen.
func rolesWith(role string) []web.Choice {
	list := make([]web.Choice, len(roles))
	for i, c := range roles {
		c.Current = c.Value == role
		list[i] = c
	}
	return list
}

func (s *server) inviteForm(v *visit) error {
	return v.render(memberInviteView{Frame: v.frame("Invite a member", "members", everywhere()), Roles: roles})
}

// invite answers with the link itself: it is in no session, no redirect, no log.
func (s *server) invite(v *visit) error {
	email, role := strings.TrimSpace(v.form.Get("email")), v.form.Get("role")
	made, err := s.Service.Invite(v.ctx(), v.actor(), v.name(), email, manager.Role(role))
	if code := manager.CodeOf(err); code == manager.CodeInvalid || code == manager.CodeConflict {
		view := memberInviteView{Frame: v.frame("Invite a member", "members", everywhere()), Email: email, Roles: rolesWith(role)}
		view.Error = inviteProblem(code)
		s.Render(v.w, v.r, http.StatusUnprocessableEntity, view)
		return nil
	}
	if err != nil {
		return err
	}
	return v.render(memberInvitedView{
		Frame: v.frame("Invitation", "members", everywhere()), Email: made.Email, Role: string(made.Role),
		Link: made.Link(s.PublicURL), Expires: web.Until(made.ExpiresAt, s.Now()),
	})
}

func inviteProblem(code manager.ErrorCode) string {
	if code == manager.CodeConflict {
		return "This person is a member already and has a password. Your contact at the provider can set a new one."
	}
	return "Give an email address such as ada@example.com, and one of the roles."
}

func (s *server) changeRole(v *visit) error {
	email, role := v.r.PathValue("email"), manager.Role(v.form.Get("role"))
	if err := v.isMember(email); err != nil {
		return err
	}
	if err := s.Service.InviteMember(v.ctx(), v.actor(), v.name(), email, role); err != nil {
		return err
	}
	to := "/members"
	if email == v.email && role != manager.RoleAdmin {
		to = "/products" // the page is no longer theirs
	}
	return v.redirect(to, email+" is "+string(role)+" now.")
}

// isMember is nil where email is a member of the partner.
func (v *visit) isMember(email string) error {
	members, err := v.Service.Members(v.ctx(), v.name())
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Email == email {
			return nil
		}
	}
	return web.ErrNotFound
}

func (s *server) confirmRemove(v *visit) error {
	email := v.r.PathValue("email")
	if err := v.isMember(email); err != nil {
		return err
	}
	return v.render(memberRemoveView{
		Frame: v.frame("Remove member", "members", everywhere()), Email: email, You: email == v.email, Action: memberURL(email, "remove"),
	})
}

func (s *server) removeMember(v *visit) error {
	email := v.r.PathValue("email")
	if err := s.Service.RemoveMember(v.ctx(), v.actor(), v.name(), email); err != nil {
		return err
	}
	if email == v.email {
		return v.redirect("/products", "")
	}
	return v.redirect("/members", email+" is no longer a member.")
}

func (s *server) cancelInvitation(v *visit) error {
	email := v.r.PathValue("email")
	if err := s.Service.CancelInvitation(v.ctx(), v.actor(), v.name(), email); err != nil {
		return err
	}
	return v.redirect("/members", "The link for "+email+" is not valid any more.")
}
