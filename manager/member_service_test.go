package manager_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// roster is who belongs to acme, a line each.
func roster(t *testing.T, s *manager.Service) string {
	t.Helper()
	members, err := s.Roster(context.Background(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range members {
		line := fmt.Sprintf("%s %s %s", m.Email, m.Role, m.State)
		if m.Joined {
			line += " joined"
		}
		if m.Invitation != nil {
			line += " link by " + m.Invitation.InvitedBy
		}
		if m.LastLoginAt != nil {
			line += " was here"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// Whoever has no password, or has not opened the link, is invited and not active.
func TestRoster(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	expect := func(when string, want ...string) {
		t.Helper()
		if have := roster(t, s); have != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", when, have, strings.Join(want, "\n"))
		}
	}
	const eve = "eve@acme.test viewer invited joined" // named in the file as well, and never touched
	expect("named in a file", "ada@acme.test admin invited joined", "dev@acme.test developer invited joined", eve)
	if err := s.SetPassword(ctx, admin, "acme", "ada@acme.test", goodPassword); err != nil {
		t.Fatal(err)
	}
	m, link, err := s.Enroll(ctx, admin, "acme", " Bob@acme.test", manager.RoleViewer)
	if err != nil || link == nil || m.Email != "bob@acme.test" || m.State != manager.MemberInvited {
		t.Fatalf("%+v, %+v, %v", m, link, err)
	}
	if _, err := s.Invite(ctx, person("ada@acme.test"), "acme", "carl@acme.test", manager.RoleViewer); err != nil {
		t.Fatal(err)
	}
	expect("invited by an operator, and by an admin", "ada@acme.test admin active joined", "bob@acme.test viewer invited joined link by admin",
		"carl@acme.test viewer invited link by ada@acme.test", "dev@acme.test developer invited joined", eve)
	if _, err := s.AcceptInvitation(ctx, link.Token, goodPassword); err != nil {
		t.Fatal(err)
	}
	expect("with a password", "ada@acme.test admin active joined", "bob@acme.test viewer active joined was here",
		"carl@acme.test viewer invited link by ada@acme.test", "dev@acme.test developer invited joined", eve)
	if err := s.RemoveMember(ctx, admin, "acme", "carl@acme.test"); err != nil {
		t.Errorf("removing who has not joined yet: %v", err)
	}
	c.advance(72 * time.Hour)
	expect("later", "ada@acme.test admin active joined", "bob@acme.test viewer active joined was here", "dev@acme.test developer invited joined", eve)
}

// Who has a login elsewhere gets no link: it sees the partner after its next login.
func TestEnrollSomebodyWithALogin(t *testing.T) {
	s := throttled(t, newClock())
	m, link, err := s.Enroll(context.Background(), admin, "globex", "dev@acme.test", manager.RoleViewer)
	if err != nil || link != nil || m.State != manager.MemberActive {
		t.Fatalf("%+v, %+v, %v", m, link, err)
	}
	login, err := s.Authenticate(from("192.0.2.1"), "dev@acme.test", goodPassword)
	if err != nil || len(login.Memberships) != 2 || login.Memberships[1].Partner != "globex" {
		t.Errorf("%+v, %v", login, err)
	}
}

// An operator's link sets the password also of somebody who belongs to two
// partners and has none; a password that the operator sets ends the link.
func TestOperatorsLink(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	enroll := func(partner string) *manager.NewInvitation {
		t.Helper()
		_, link, err := s.Enroll(ctx, admin, partner, "dev@acme.test", manager.RoleViewer)
		if err != nil || link == nil {
			t.Fatalf("%+v, %v", link, err)
		}
		return link
	}
	acme, globex := enroll("acme"), enroll("globex")
	if _, err := s.AcceptInvitation(ctx, globex.Token, goodPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AcceptInvitation(from("192.0.2.1"), acme.Token, "another password"); manager.CodeOf(err) != manager.CodeUnauthorized {
		t.Errorf("the other link, without the password that there is now: %v", err)
	}
	if err := s.SetPassword(ctx, admin, "acme", "dev@acme.test", goodPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InvitationOf(ctx, acme.Token); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("after the operator set a password: %v", err)
	}
}

// A link lasts no longer than the right of the member who made it, whatever
// takes that away, and does not come back with it.
func TestLinksEndWithTheirAdmin(t *testing.T) {
	ctx := context.Background()
	ada := person("ada@acme.test")
	for name, end := range map[string]func(s *manager.Service) error{
		"removed by an operator": func(s *manager.Service) error { return s.RemoveMember(ctx, admin, "acme", "ada@acme.test") },
		"removed by an admin": func(s *manager.Service) error {
			return s.RemoveMember(ctx, person("eve@acme.test"), "acme", "ada@acme.test")
		},
		"made a developer": func(s *manager.Service) error {
			return s.InviteMember(ctx, admin, "acme", "ada@acme.test", manager.RoleDeveloper)
		},
		"made a viewer by itself": func(s *manager.Service) error {
			return s.InviteMember(ctx, ada, "acme", "ada@acme.test", manager.RoleViewer)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, newClock())
			apply(t, s, estate(t), manager.ApplyOptions{})
			if err := s.InviteMember(ctx, admin, "acme", "eve@acme.test", manager.RoleAdmin); err != nil {
				t.Fatal(err)
			}
			links := map[string]string{}
			for _, by := range []string{"ada@acme.test", "eve@acme.test"} {
				link, err := s.Invite(ctx, person(by), "acme", "friend.of."+by, manager.RoleAdmin)
				if err != nil {
					t.Fatal(err)
				}
				links[by] = link.Token
			}
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time ada is an admin again
				if _, err := s.AcceptInvitation(ctx, links["ada@acme.test"], goodPassword); manager.CodeOf(err) != manager.CodeNotFound {
					t.Errorf("ada's link: %v", err)
				}
				if have := roster(t, s); strings.Contains(have, "friend.of.ada") || !strings.Contains(have, "friend.of.eve") {
					t.Errorf("the roster is\n%s", have)
				}
				if err := s.InviteMember(ctx, admin, "acme", "ada@acme.test", manager.RoleAdmin); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.AcceptInvitation(ctx, links["eve@acme.test"], goodPassword); err != nil {
				t.Errorf("eve's link: %v", err)
			}
			dropped := auditOf(t, s, manager.AuditQuery{Kind: manager.KindInvitation, Name: "friend.of.ada@acme.test"})
			if !slices.ContainsFunc(dropped, func(e manager.AuditEntry) bool { return e.Action == string(manager.ActionDeleted) }) {
				t.Error("that the link ended is not in the audit log")
			}
		})
	}
}

// A link that was stored in the moment in which its maker was removed is of no use either.
func TestLinkOfNobody(t *testing.T) {
	ctx := context.Background()
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	s := startService(t, newClock(), store, slog.DiscardHandler)
	apply(t, s, estate(t), manager.ApplyOptions{})
	link, err := s.Invite(ctx, person("ada@acme.test"), "acme", "friend@acme.test", manager.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.DeleteMembership(ctx, "acme", "ada@acme.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AcceptInvitation(ctx, link.Token, goodPassword); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("the link: %v", err)
	}
	if have := roster(t, s); strings.Contains(have, "friend") {
		t.Errorf("the roster is\n%s", have)
	}
}
