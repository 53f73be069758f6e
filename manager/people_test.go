package manager_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

// storedBytes is all that the store's files hold.
func storedBytes(t *testing.T, path string) []byte {
	t.Helper()
	found, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, file := range found {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

func TestAuthenticate(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	const password = "correct horse battery"
	if err := s.SetPassword(ctx, admin, "acme", " Dev@acme.test ", password); err != nil {
		t.Fatal(err)
	}
	if err := s.InviteMember(ctx, admin, "globex", "dev@acme.test", manager.RoleViewer); err != nil {
		t.Fatal(err)
	}
	login, err := s.Authenticate(ctx, "DEV@acme.test", password)
	if err != nil {
		t.Fatal(err)
	}
	if len(login.Memberships) != 2 || login.Memberships[0].Partner != "acme" || login.Memberships[1].Role != manager.RoleViewer || !login.Account.LastLoginAt.Equal(c.Now()) {
		t.Errorf("login is %+v", login)
	}
	// Unknown, without password, wrong, too long: one answer.
	var answers []string
	for _, try := range [][2]string{
		{"nobody@acme.test", password}, {"ada@acme.test", ""}, {"dev@acme.test", password + "!"}, {"dev@acme.test", strings.Repeat("x", 1<<20)}, {"", ""},
	} {
		_, err := s.Authenticate(ctx, try[0], try[1])
		if manager.CodeOf(err) != manager.CodeUnauthorized {
			t.Fatalf("%s: %v", try[0], err)
		}
		answers = append(answers, err.Error())
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("answers tell who is a member: %q", answers)
		}
	}
	if err := s.RemoveMember(ctx, admin, "acme", "dev@acme.test"); err != nil {
		t.Fatal(err)
	}
	if login, err := s.Login(ctx, "dev@acme.test"); err != nil || len(login.Memberships) != 1 {
		t.Errorf("a session sees at once that a membership ended: %+v %v", login, err)
	}
	if _, err := s.Login(ctx, "nobody@acme.test"); manager.CodeOf(err) != manager.CodeUnauthorized {
		t.Errorf("a session of nobody: %v", err)
	}
}

func TestPasswordRules(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	for _, tt := range []struct {
		partner, email, password string
		want                     manager.ErrorCode
	}{
		{"acme", "dev@acme.test", "elevenchars", manager.CodeInvalid},
		{"acme", "dev@acme.test", strings.Repeat("é", 257), manager.CodeInvalid},
		{"acme", "dev@acme.test", strings.Repeat("é", 256), ""},
		{"acme", "dev@acme.test", " Dev@acme.TEST", manager.CodeInvalid},
		{"acme", "hank@globex.test", "correct horse battery", manager.CodeNotFound},
		{"initech", "dev@acme.test", "correct horse battery", manager.CodeNotFound},
	} {
		if err := s.SetPassword(ctx, admin, tt.partner, tt.email, tt.password); manager.CodeOf(err) != tt.want {
			t.Errorf("%s %s: %v", tt.partner, tt.email, err)
		}
	}
	if _, err := s.Authenticate(ctx, "dev@acme.test", strings.Repeat("é", 256)); err != nil {
		t.Errorf("a long password: %v", err)
	}
	if err := s.ChangePassword(ctx, person("dev@acme.test"), "acme", strings.Repeat("é", 256), "Dev@acme.test"); manager.CodeOf(err) != manager.CodeInvalid {
		t.Errorf("a change to the email: %v", err)
	}
	link, err := s.Invite(ctx, admin, "acme", "Newcomer@acme.test", manager.RoleViewer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AcceptInvitation(ctx, link.Token, "newcomer@Acme.test"); manager.CodeOf(err) != manager.CodeInvalid {
		t.Errorf("the email as the password of who is invited: %v", err)
	}
}

func TestMembers(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	for _, tt := range []struct {
		partner, email string
		role           manager.Role
		want           manager.ErrorCode
	}{
		{"acme", "new@acme.test", manager.RoleViewer, ""},
		{"acme", "new@acme.test", "owner", manager.CodeInvalid},
		{"acme", "new", manager.RoleViewer, manager.CodeInvalid},
		{"acme", "a b@acme.test", manager.RoleViewer, manager.CodeInvalid},
		{"acme", "x@acme.test\r\nBcc: y@acme.test", manager.RoleViewer, manager.CodeInvalid},
		{"initech", "new@acme.test", manager.RoleViewer, manager.CodeNotFound},
	} {
		if err := s.InviteMember(ctx, admin, tt.partner, tt.email, tt.role); manager.CodeOf(err) != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if err := s.RemoveMember(ctx, admin, "acme", "hank@globex.test"); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("no member: %v", err)
	}
	if _, err := s.Members(ctx, "initech"); manager.CodeOf(err) != manager.CodeNotFound {
		t.Error(err)
	}
}
