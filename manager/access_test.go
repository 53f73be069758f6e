package manager_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

func auditOf(t *testing.T, s *manager.Service, q manager.AuditQuery) []manager.AuditEntry {
	t.Helper()
	page, err := s.Audit(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func person(email string) manager.Actor {
	return manager.Actor{Name: email, Owner: manager.OwnerPortal}
}

// word is an entry as one line.
func word(e manager.AuditEntry) string {
	return fmt.Sprintf("%s %s %s %s %s/%s %d", e.Actor, e.OnBehalfOf, e.Action, e.Kind, e.Partner, e.Name, e.PolicyVersion)
}

func TestEveryChangeIsAudited(t *testing.T) {
	ctx := manager.WithOrigin(context.Background(), manager.Origin{Address: "192.0.2.7", RequestID: "req-1"})
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	start := s.PolicyVersion()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0)
	must(err)
	next, err := s.RotateCredential(ctx, person("ada@acme.test"), key.ID, time.Hour)
	must(err)
	_, err = s.RevokeCredential(ctx, admin, next.ID)
	must(err)
	_, err = s.RevokeCredential(ctx, admin, next.ID) // changes nothing
	must(err)
	acme, err := s.Resource(ctx, manager.Ref{Kind: manager.KindPartner, Name: "acme"})
	must(err)
	suspended := *acme.(*manager.Partner)
	for _, state := range []manager.State{manager.StateSuspended, manager.StateActive} {
		suspended.Spec.State = state
		_, _, err = s.Put(ctx, admin, &suspended, manager.AnyRevision)
		must(err)
	}
	must(s.SetPassword(ctx, admin, "acme", "dev@acme.test", goodPassword))
	must(s.InviteMember(ctx, admin, "acme", "new@acme.test", manager.RoleViewer))
	must(s.InviteMember(ctx, admin, "acme", "new@acme.test", manager.RoleDeveloper))
	must(s.RemoveMember(ctx, admin, "acme", "new@acme.test"))
	_, err = s.CreateAdminToken(ctx, admin, "ci", manager.TokenOperator, []string{"core"}, 0)
	must(err)
	must(s.RevokeAdminToken(ctx, admin, "ci"))

	want := []string{
		"admin api revoked Token /ci 0", "admin api created Token /ci 0",
		"admin api deleted Member acme/new@acme.test 0", "admin api updated Member acme/new@acme.test 0", "admin api created Member acme/new@acme.test 0",
		"admin api password_set Member acme/dev@acme.test 0",
		fmt.Sprint("admin api resumed Partner acme/acme ", start+5), fmt.Sprint("admin api suspended Partner acme/acme ", start+4),
		fmt.Sprintf("admin api revoked Credential acme/%s %d", next.ID, start+3),
		fmt.Sprintf("ada@acme.test portal rotated Credential acme/%s %d", key.ID, start+2), fmt.Sprintf("ada@acme.test portal created Credential acme/%s %d", next.ID, start+2),
		fmt.Sprintf("admin api created Credential acme/%s %d", key.ID, start+1),
	}
	have := auditOf(t, s, manager.AuditQuery{})
	for i, w := range want {
		e := have[i]
		if word(e) != w || e.Address != "192.0.2.7" || e.RequestID != "req-1" || e.Time.IsZero() {
			t.Errorf("entry %d is %s from %s %s, want %s", i, word(e), e.Address, e.RequestID, w)
		}
	}
	applied := auditOf(t, s, manager.AuditQuery{Actor: "apply"})
	if len(applied) < 12 || applied[0].OnBehalfOf != manager.OwnerFile {
		t.Errorf("what was applied has %d entries", len(applied))
	}
	if system := have[len(have)-1]; system.ActorKind != manager.ActorSystem || system.Actor != "manager" {
		t.Errorf("the first entry is %s", word(system))
	}
	for _, e := range have {
		for _, secret := range []string{key.Key, next.Key, goodPassword, "argon2id", hex.EncodeToString(digestOf(key.Key)), "digest", "openapi: 3"} {
			if strings.Contains(string(e.Before)+string(e.After), secret) {
				t.Errorf("%s holds %q", word(e), secret)
			}
		}
	}
}

// A change that is not stored is not in the log.
func TestNoAuditWithoutChange(t *testing.T) {
	store := &brokenStore{Store: openStore(t, filepath.Join(t.TempDir(), "policy.db"))}
	s := startService(t, newClock(), store, slog.DiscardHandler)
	before := len(auditOf(t, s, manager.AuditQuery{}))
	store.broken.Store(true)
	if _, _, err := s.Put(context.Background(), admin, plan("lost", 1), manager.AnyRevision); err == nil {
		t.Fatal("it was stored")
	}
	store.broken.Store(false)
	if _, err := s.Apply(context.Background(), files, []manager.Resource{plan("dry", 1)}, manager.ApplyOptions{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if after := len(auditOf(t, s, manager.AuditQuery{})); after != before {
		t.Errorf("%d entries, %d before", after, before)
	}
}

func TestAdminTokens(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	made, err := s.CreateAdminToken(ctx, admin, "ci", manager.TokenOperator, []string{"b", "a", "b"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.Token, "pgt_") || len(made.Token) != 44 || fmt.Sprint(made.Teams) != "[a b]" {
		t.Errorf("the token is %+v", made)
	}
	admission := s.Admission("the one that the manager is started with")
	found, err := admission.Principal(ctx, made.Token)
	if err != nil || found.Name != "ci" || found.Grant.Role != manager.TokenOperator {
		t.Fatalf("%+v, %v", found, err)
	}
	listed, err := s.AdminTokens(ctx)
	if err != nil || len(listed) != 1 || listed[0].LastUsedAt == nil || !listed[0].LastUsedAt.Equal(c.Now()) {
		t.Errorf("listed: %+v, %v", listed, err)
	}
	for _, wrong := range []string{"", "pgt_", made.Token[:43], made.Token + "a", strings.ToUpper(made.Token), "pgt_" + strings.Repeat("a", 40)} {
		if _, err := admission.Principal(ctx, wrong); manager.CodeOf(err) != manager.CodeUnauthorized {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	c.advance(time.Hour)
	if _, err := admission.Principal(ctx, made.Token); manager.CodeOf(err) != manager.CodeUnauthorized || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after its end: %v", err)
	}
	for _, bad := range []struct {
		name  string
		role  manager.TokenRole
		teams []string
		life  time.Duration
		want  manager.ErrorCode
	}{
		{"ci", manager.TokenAuditor, nil, 0, manager.CodeConflict},
		{"bootstrap", manager.TokenAdmin, nil, 0, manager.CodeInvalid},
		{"Bad Name", manager.TokenAdmin, nil, 0, manager.CodeInvalid},
		{"x", "root", nil, 0, manager.CodeInvalid},
		{"x", "", nil, 0, manager.CodeInvalid},
		{"x", manager.TokenAdmin, []string{"core"}, 0, manager.CodeInvalid},
		{"x", manager.TokenOperator, []string{" "}, 0, manager.CodeInvalid},
		{"x", manager.TokenOperator, []string{}, 0, manager.CodeInvalid},
		{"x", manager.TokenOperator, nil, -1, manager.CodeInvalid},
		{"x", manager.TokenOperator, nil, 1, manager.CodeInvalid},
		{"x", manager.TokenOperator, nil, 11 * 365 * 24 * time.Hour, manager.CodeInvalid},
	} {
		if _, err := s.CreateAdminToken(ctx, admin, bad.name, bad.role, bad.teams, bad.life); manager.CodeOf(err) != bad.want {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := s.RevokeAdminToken(ctx, admin, "nothing"); manager.CodeOf(err) != manager.CodeNotFound {
		t.Error(err)
	}
}

func TestInvitationLink(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	ada := person("ada@acme.test")
	invite := func(email string) *manager.NewInvitation {
		t.Helper()
		i, err := s.Invite(ctx, ada, "acme", email, manager.RoleDeveloper)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	first, second := invite("new@acme.test"), invite(" New@acme.test")
	if _, err := s.InvitationOf(ctx, first.Token); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("a replaced link: %v", err)
	}
	view, err := s.InvitationOf(ctx, second.Token)
	if err != nil || view.Email != "new@acme.test" || view.Partner.Metadata.Name != "acme" {
		t.Fatalf("%+v, %v", view, err)
	}
	if _, err := s.AcceptInvitation(ctx, second.Token, "short"); manager.CodeOf(err) != manager.CodeInvalid {
		t.Errorf("a short password: %v", err)
	}
	login, err := s.AcceptInvitation(ctx, second.Token, goodPassword)
	if err != nil || len(login.Memberships) != 1 || login.Memberships[0].Role != manager.RoleDeveloper {
		t.Fatalf("%+v, %v", login, err)
	}
	if _, err := s.AcceptInvitation(ctx, second.Token, goodPassword); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("a second time: %v", err)
	}
	if got := try(s, "192.0.2.1", "new@acme.test", goodPassword); got != "" {
		t.Errorf("the login: %q", got)
	}
	// A member with a password gets no link: whoever made it could take the login over.
	if _, err := s.Invite(ctx, ada, "acme", "new@acme.test", manager.RoleAdmin); manager.CodeOf(err) != manager.CodeConflict {
		t.Errorf("inviting a member: %v", err)
	}
	// A member who never had a password gets one, unless removed meanwhile.
	if err := s.InviteMember(ctx, admin, "acme", "seeded@acme.test", manager.RoleViewer); err != nil {
		t.Fatal(err)
	}
	seeded := invite("seeded@acme.test")
	if seeded.Role != manager.RoleViewer {
		t.Errorf("a link changes the role to %s", seeded.Role)
	}
	if err := s.RemoveMember(ctx, ada, "acme", "seeded@acme.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AcceptInvitation(ctx, seeded.Token, goodPassword); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("who was removed comes back by the link: %v", err)
	}
	old := invite("late@acme.test")
	c.advance(72 * time.Hour)
	if _, err := s.AcceptInvitation(ctx, old.Token, goodPassword); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("after 72 hours: %v", err)
	}
}

// Who has a link has no more than the link: not the login of somebody who belongs elsewhere.
func TestInvitationTakesNoLoginOver(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	if err := s.InviteMember(ctx, admin, "globex", "boss@globex.test", manager.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	link, err := s.Invite(ctx, person("ada@acme.test"), "acme", "boss@globex.test", manager.RoleViewer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AcceptInvitation(ctx, link.Token, "chosen by ada, not by boss"); manager.CodeOf(err) != manager.CodeUnauthorized {
		t.Fatalf("ada sets boss's first password: %v", err)
	}
	if err := s.SetPassword(ctx, admin, "globex", "boss@globex.test", goodPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AcceptInvitation(from("192.0.2.1"), link.Token, "chosen by ada, not by boss"); manager.CodeOf(err) != manager.CodeUnauthorized {
		t.Fatalf("with another password: %v", err)
	}
	login, err := s.AcceptInvitation(from("192.0.2.1"), link.Token, goodPassword)
	if err != nil || len(login.Memberships) != 2 {
		t.Fatalf("%+v, %v", login, err)
	}
}

func TestLastAdminStays(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	ada := person("ada@acme.test")
	if err := s.InviteMember(ctx, ada, "acme", "ada@acme.test", manager.RoleViewer); manager.CodeOf(err) != manager.CodeConflict {
		t.Errorf("the last admin steps down: %v", err)
	}
	if err := s.RemoveMember(ctx, ada, "acme", "ada@acme.test"); manager.CodeOf(err) != manager.CodeConflict {
		t.Errorf("the last admin leaves: %v", err)
	}
	if err := s.InviteMember(ctx, ada, "acme", "dev@acme.test", manager.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveMember(ctx, ada, "acme", "ada@acme.test"); err != nil {
		t.Error(err)
	}
}

func TestChangePassword(t *testing.T) {
	s := throttled(t, newClock())
	dev := person("dev@acme.test")
	const next = "another long password"
	if err := s.ChangePassword(from("192.0.2.1"), dev, "acme", "wrong", next); manager.CodeOf(err) != manager.CodeUnauthorized {
		t.Errorf("with a wrong one: %v", err)
	}
	if err := s.ChangePassword(from("192.0.2.1"), dev, "acme", goodPassword, "short"); manager.CodeOf(err) != manager.CodeInvalid {
		t.Errorf("to a short one: %v", err)
	}
	if err := s.ChangePassword(from("192.0.2.1"), dev, "acme", goodPassword, next); err != nil {
		t.Fatal(err)
	}
	if got := try(s, "192.0.2.1", "dev@acme.test", goodPassword); got != manager.CodeUnauthorized {
		t.Errorf("the old one: %q", got)
	}
	fail(t, s, 8, "192.0.2.9", "dev@acme.test")
	for range 2 { // who found a session open guesses no further than at the login
		_ = s.ChangePassword(from("192.0.2.9"), dev, "acme", "wrong", next)
	}
	if err := s.ChangePassword(from("192.0.2.9"), dev, "acme", next, next+"!"); manager.CodeOf(err) != manager.CodeTooMany {
		t.Errorf("after ten wrong ones: %v", err)
	}
}

// A link tells whoever made it nothing of people: neither its page nor a try without effect differs.
func TestInvitationTellsNobodyApart(t *testing.T) {
	ctx := context.Background()
	s := throttled(t, newClock())
	if err := s.InviteMember(ctx, admin, "globex", "passive@globex.test", manager.RoleViewer); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Enroll(ctx, admin, "globex", "dev@acme.test", manager.RoleViewer); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveMember(ctx, admin, "acme", "dev@acme.test"); err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{}
	for name, email := range map[string]string{"nobody": "nobody@x.test", "with a login": "dev@acme.test", "without a password": "passive@globex.test"} {
		link, err := s.Invite(ctx, person("ada@acme.test"), "acme", email, manager.RoleViewer)
		if err != nil {
			t.Fatal(err)
		}
		view, err := s.InvitationOf(ctx, link.Token)
		if err != nil {
			t.Fatal(err)
		}
		shown := *view
		shown.Email = ""
		_, err = s.AcceptInvitation(ctx, link.Token, "short")
		answers[name] = fmt.Sprintf("%+v %v", shown, err)
	}
	for name, answer := range answers {
		if answer != answers["nobody"] {
			t.Errorf("%s: %s; nobody: %s", name, answer, answers["nobody"])
		}
	}
	for _, email := range []string{"dev@acme.test", "passive@globex.test"} { // both have something that is theirs
		link, err := s.Invite(ctx, person("ada@acme.test"), "acme", email, manager.RoleViewer)
		if err != nil {
			t.Fatal(err)
		}
		before := s.PasswordWork()
		if _, err := s.AcceptInvitation(from("192.0.2.1"), link.Token, "a guess that is long"); manager.CodeOf(err) != manager.CodeUnauthorized || s.PasswordWork() != before+1 {
			t.Errorf("%s: %v after hashing %d", email, err, s.PasswordWork()-before)
		}
	}
}
