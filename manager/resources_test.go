package manager_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

func plan(name string, weight int) *manager.Plan {
	return &manager.Plan{Metadata: manager.Metadata{Name: name}, Spec: manager.PlanSpec{Weight: weight}}
}

func TestPut(t *testing.T) {
	ctx := context.Background()
	c := newClock()
	s := newService(t, c)
	put := func(r manager.Resource, expected int64) (manager.Resource, manager.Action, manager.ErrorCode) {
		stored, action, err := s.Put(ctx, admin, r, expected)
		return stored, action, manager.CodeOf(err)
	}
	if _, _, code := put(plan("gold", 1), 7); code != manager.CodeStale {
		t.Errorf("a revision of what does not exist: %s", code)
	}
	first, action, code := put(plan("gold", 1), manager.MustNotExist)
	if action != manager.ActionCreated || code != "" {
		t.Fatalf("%s %s", action, code)
	}
	if m := first.Meta(); m.Revision != s.PolicyVersion() || m.ManagedBy != manager.OwnerAPI || !m.CreatedAt.Equal(c.now) || !m.UpdatedAt.Equal(c.now) {
		t.Errorf("the head is %+v at version %d", m, s.PolicyVersion())
	}
	if _, _, code := put(plan("gold", 1), manager.MustNotExist); code != manager.CodeStale {
		t.Errorf("it exists: %s", code)
	}
	version := s.PolicyVersion()
	if same, action, _ := put(plan("gold", 1), manager.AnyRevision); action != manager.ActionUnchanged || same.Meta().Revision != first.Meta().Revision || s.PolicyVersion() != version {
		t.Errorf("the same again is no change: %s", action)
	}
	c.advance(1e9)
	second, action, code := put(plan("gold", 2), first.Meta().Revision)
	if action != manager.ActionUpdated || code != "" || !second.Meta().CreatedAt.Equal(first.Meta().CreatedAt) || !second.Meta().UpdatedAt.Equal(c.now) {
		t.Errorf("%s %s %+v", action, code, second.Meta())
	}
	if _, _, code := put(plan("gold", 3), first.Meta().Revision); code != manager.CodeStale {
		t.Errorf("an old revision: %s", code)
	}
	if _, _, code := put(plan("GOLD", 3), manager.AnyRevision); code != manager.CodeInvalid {
		t.Errorf("an invalid name: %s", code)
	}
}

func TestDeleteNamesWhatNeedsIt(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	// Owned by the API, so that the API may delete.
	if _, err := s.Apply(ctx, admin, estate(t), manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	narrow := &manager.Plan{Metadata: manager.Metadata{Name: "narrow"}, Spec: manager.PlanSpec{Limits: []manager.Limit{
		{Name: "payments", Operations: []string{"createPayment"}, Rate: &manager.Rate{Requests: 1, Per: "second"}}}}}
	if _, _, err := s.Put(ctx, admin, narrow, manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ref  manager.Ref
		need string
	}{
		{ref(manager.KindProduct, "", "pay"), "Plan narrow, Subscription acme/pay-sandbox"},
		{ref(manager.KindPlan, "", "starter"), "Subscription acme/pay-sandbox, Subscription globex/risk-sandbox"},
		{ref(manager.KindPartner, "", "acme"), "Application acme/checkout, Subscription acme/pay-sandbox"},
	} {
		_, err := s.Delete(ctx, admin, tt.ref, manager.AnyRevision)
		if manager.CodeOf(err) != manager.CodeConflict || !strings.Contains(fmt.Sprint(err), tt.ref.String()+" is needed by "+tt.need+".") {
			t.Errorf("deleting %s: %v", tt.ref, err)
		}
	}
	for _, r := range []manager.Ref{
		ref(manager.KindSubscription, "acme", "pay-sandbox"), ref(manager.KindApplication, "acme", "checkout"), ref(manager.KindPartner, "", "acme"), ref(manager.KindPlan, "", "narrow"), ref(manager.KindProduct, "", "pay"),
	} {
		version, err := s.Delete(ctx, admin, r, manager.AnyRevision)
		if err != nil || version != s.PolicyVersion() {
			t.Errorf("deleting %s: version %d of %d, %v", r, version, s.PolicyVersion(), err)
		}
		if _, err := s.Delete(ctx, admin, r, manager.AnyRevision); manager.CodeOf(err) != manager.CodeNotFound {
			t.Errorf("deleting %s again: %v", r, err)
		}
	}
}

func TestDeleteEnvironmentInUse(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	if _, err := s.Apply(ctx, admin, append(estate(t),
		&manager.Environment{Metadata: manager.Metadata{Name: "staging"}},
		&manager.Subscription{Metadata: manager.Metadata{Name: "staged", Partner: "acme"}, Spec: manager.SubscriptionSpec{Product: "pay", Environment: "staging", Plan: "starter"}},
	), manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	key, err := s.CreateCredential(ctx, admin, "acme", "checkout", "staging", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Delete(ctx, admin, ref(manager.KindEnvironment, "", "staging"), manager.AnyRevision)
	if want := "Subscription acme/staged, Credential acme/" + key.ID; manager.CodeOf(err) != manager.CodeConflict || !strings.Contains(err.Error(), want) {
		t.Errorf("want %s, got %v", want, err)
	}
}

// TestPartnerOfTheSameName: the members of a partner that was deleted do not come back with its name.
func TestPartnerOfTheSameName(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	partner := &manager.Partner{Metadata: manager.Metadata{Name: "acme"}, Spec: manager.PartnerSpec{Members: []manager.MemberSeed{{Email: "old@acme.test", Role: manager.RoleAdmin}}}}
	if _, _, err := s.Put(ctx, admin, partner, manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(ctx, admin, partner.Ref(), manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if login, err := s.Login(ctx, "old@acme.test"); err != nil || len(login.Memberships) > 0 {
		t.Errorf("a member of a deleted partner: %+v %v", login, err)
	}
	if _, _, err := s.Put(ctx, admin, &manager.Partner{Metadata: manager.Metadata{Name: "acme"}}, manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	expectMembers(t, s, "acme", "")
}

func TestSearch(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	resources := estate(t)
	for i := range 30 {
		p := plan(fmt.Sprintf("small-%02d", i), 1)
		if i%10 == 3 {
			p.Spec.Title = "The GOLDEN one"
		}
		resources = append(resources, p)
	}
	apply(t, s, resources, manager.ApplyOptions{})
	for text, want := range map[string]int{"": 31, "small": 30, "SMALL-1": 10, "golden one": 3, "no such": 0} {
		var got []manager.Resource
		for cursor, more := "", true; more; {
			page, err := s.Find(ctx, manager.Query{Kind: manager.KindPlan, Text: text, Limit: 4, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			got, cursor = append(got, page.Items...), page.Next
			more = cursor != ""
		}
		if len(got) != want {
			t.Errorf("%q finds %d plans, want %d", text, len(got), want)
		}
	}
	if _, err := s.Find(ctx, manager.Query{Kind: manager.KindPlan, Text: strings.Repeat("x", 201)}); err == nil {
		t.Error("a text longer than any title was taken")
	}
}

func TestList(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	resources := estate(t)
	for i := range 250 {
		resources = append(resources, plan(fmt.Sprintf("plan-%03d", i), 1))
	}
	apply(t, s, resources, manager.ApplyOptions{})
	var got []string
	cursor := ""
	pages := 0
	for {
		page, err := s.List(ctx, manager.KindPlan, "", 0, cursor)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, r := range page.Items {
			got = append(got, r.Meta().Name)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		if pages == 1 { // what is deleted between two pages confuses nothing
			if _, err := s.Apply(ctx, files, append(estate(t), resources[11:]...), manager.ApplyOptions{Prune: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if pages != 3 || len(got) != 251 || got[0] != "plan-000" || got[250] != "starter" {
		t.Errorf("%d pages, %d plans from %s to %s", pages, len(got), got[0], got[len(got)-1])
	}
	page, err := s.List(ctx, manager.KindApplication, "acme", 500, "")
	if err != nil || len(page.Items) != 1 || page.Items[0].Ref().String() != "Application acme/checkout" || page.Next != "" {
		t.Errorf("%+v %v", page, err)
	}
	for _, limit := range []int{-1, 501} {
		if _, err := s.List(ctx, manager.KindPlan, "", limit, ""); manager.CodeOf(err) != manager.CodeInvalid {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	if _, err := s.List(ctx, manager.KindPlan, "", 1, "%%%"); manager.CodeOf(err) != manager.CodeInvalid {
		t.Errorf("a made-up cursor: %v", err)
	}
}

// TestPortalActors: a member does what its role allows, for its own partner.
func TestPortalActors(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	member := func(email string) manager.Actor { return manager.Actor{Name: email, Owner: manager.OwnerPortal} }
	app := func(partner string) manager.Resource {
		return &manager.Application{Metadata: manager.Metadata{Name: "wallet", Partner: partner}}
	}
	for _, tt := range []struct {
		name string
		want manager.ErrorCode
		do   func() error
	}{
		{"a developer makes an application", "", func() error {
			_, _, err := s.Put(ctx, member("dev@acme.test"), app("acme"), manager.AnyRevision)
			return err
		}},
		{"a viewer does not", manager.CodeForbidden, func() error {
			_, _, err := s.Put(ctx, member("eve@acme.test"), app("acme"), manager.AnyRevision)
			return err
		}},
		{"another partner does not exist", manager.CodeNotFound, func() error {
			_, _, err := s.Put(ctx, member("ada@acme.test"), app("globex"), manager.AnyRevision)
			return err
		}},
		{"an admin makes no plans", manager.CodeForbidden, func() error {
			_, _, err := s.Put(ctx, member("ada@acme.test"), plan("free", 1), manager.AnyRevision)
			return err
		}},
		{"an admin applies nothing", manager.CodeForbidden, func() error {
			_, err := s.Apply(ctx, member("ada@acme.test"), nil, manager.ApplyOptions{Prune: true})
			return err
		}},
		{"a member does not make itself admin", manager.CodeForbidden, func() error {
			return s.InviteMember(ctx, member("dev@acme.test"), "acme", "dev@acme.test", manager.RoleAdmin)
		}},
		{"an admin invites", "", func() error {
			_, err := s.Invite(ctx, member("ada@acme.test"), "acme", "new@acme.test", manager.RoleViewer)
			return err
		}},
		{"an admin makes nobody a member who has not opened a link", manager.CodeForbidden, func() error {
			return s.InviteMember(ctx, member("ada@acme.test"), "acme", "new@acme.test", manager.RoleViewer)
		}},
		{"an admin does not invite elsewhere", manager.CodeNotFound, func() error {
			return s.InviteMember(ctx, member("ada@acme.test"), "globex", "ada@acme.test", manager.RoleAdmin)
		}},
		{"nor by link", manager.CodeNotFound, func() error {
			_, err := s.Invite(ctx, member("ada@acme.test"), "globex", "new@acme.test", manager.RoleAdmin)
			return err
		}},
		{"a developer invites nobody", manager.CodeForbidden, func() error {
			_, err := s.Invite(ctx, member("dev@acme.test"), "acme", "new@acme.test", manager.RoleViewer)
			return err
		}},
		{"an admin sets no other's password", manager.CodeForbidden, func() error {
			return s.SetPassword(ctx, member("ada@acme.test"), "acme", "dev@acme.test", "correct horse battery")
		}},
		{"a viewer sets its own password", "", func() error {
			return s.SetPassword(ctx, member("eve@acme.test"), "acme", "eve@acme.test", "correct horse battery")
		}},
		{"a viewer makes no keys", manager.CodeForbidden, func() error {
			_, err := s.CreateCredential(ctx, member("eve@acme.test"), "acme", "checkout", "sandbox", 0)
			return err
		}},
		{"a stranger makes no keys", manager.CodeNotFound, func() error {
			_, err := s.CreateCredential(ctx, member("nobody@else.test"), "acme", "checkout", "sandbox", 0)
			return err
		}},
	} {
		if err := tt.do(); manager.CodeOf(err) != tt.want || (tt.want == "") != (err == nil) {
			t.Errorf("%s: want %q, got %v", tt.name, tt.want, err)
		}
	}
}
