package manager_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/manager"
)

const wallet = `
apiVersion: partnergate.dev/v1alpha1
kind: Application
metadata: {name: wallet, partner: acme}
spec: {title: Wallet}
`

func ref(kind manager.Kind, partner, name string) manager.Ref {
	return manager.Ref{Kind: kind, Partner: partner, Name: name}
}

// entries are results in few words.
func entries(list []manager.ApplyEntry) string {
	var words []string
	for _, e := range list {
		words = append(words, string(e.Action)+" "+manager.Ref{Kind: e.Kind, Partner: e.Partner, Name: e.Name}.String())
	}
	return strings.Join(words, ", ")
}

func TestApplyIsIdempotent(t *testing.T) {
	s := newService(t, newClock())
	created := entries(apply(t, s, estate(t), manager.ApplyOptions{}))
	want := "created Product pay, created Product pay-next, created Product risk, created Plan starter, created Partner acme, created Partner globex, " +
		"created Application acme/checkout, created Application globex/screening, created Subscription acme/pay-sandbox, created Subscription globex/risk-sandbox"
	if created != want {
		t.Errorf("in the order of kinds and names: %s", cmp.Diff(want, created))
	}
	version := s.PolicyVersion()
	if again := apply(t, s, estate(t), manager.ApplyOptions{Prune: true}); len(again) > 0 || s.PolicyVersion() != version {
		t.Errorf("the same documents again changed %v, version %d → %d", again, version, s.PolicyVersion())
	}
}

func TestApplyTriesWithoutWriting(t *testing.T) {
	s := newService(t, newClock())
	version := s.PolicyVersion()
	if got := apply(t, s, estate(t), manager.ApplyOptions{DryRun: true}); len(got) != 10 {
		t.Errorf("a dry run tells what it would do, not %v", got)
	}
	if s.PolicyVersion() != version {
		t.Error("a dry run wrote")
	}
	if _, err := s.Members(context.Background(), "acme"); manager.CodeOf(err) != manager.CodeNotFound {
		t.Errorf("a dry run made a partner: %v", err)
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	s := newService(t, newClock())
	resources := append(estate(t), &manager.Subscription{
		Metadata: manager.Metadata{Name: "lost", Partner: "acme"},
		Spec:     manager.SubscriptionSpec{Product: "nowhere", Environment: "sandbox", Plan: "starter"},
	})
	if _, err := s.Apply(context.Background(), files, resources, manager.ApplyOptions{}); manager.CodeOf(err) != manager.CodeInvalid {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Resource(context.Background(), ref(manager.KindPartner, "", "acme")); manager.CodeOf(err) != manager.CodeNotFound {
		t.Error("a part of it was written")
	}
}

// TestOwnership follows one application from the portal into a file and out again.
func TestOwnership(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	ada := manager.Actor{Name: "ada@acme.test", Owner: manager.OwnerPortal}
	app := read(t, wallet)[0]
	if _, _, err := s.Put(ctx, ada, app, manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	if got := apply(t, s, estate(t), manager.ApplyOptions{Prune: true}); len(got) > 0 {
		t.Fatalf("prune touched what no file owned: %v", got)
	}

	withWallet := append(estate(t), app)
	if got := entries(apply(t, s, withWallet, manager.ApplyOptions{})); got != "updated Application acme/wallet" {
		t.Fatalf("a file takes over what it declares, got %q", got)
	}
	_, _, err := s.Put(ctx, ada, app, manager.AnyRevision)
	if manager.CodeOf(err) != manager.CodeConflict || !strings.Contains(err.Error(), "change the file") {
		t.Fatalf("members do not change what a file owns: %v", err)
	}
	if _, err := s.Delete(ctx, ada, app.Ref(), manager.AnyRevision); manager.CodeOf(err) != manager.CodeConflict {
		t.Fatalf("members do not delete what a file owns: %v", err)
	}
	renamed := &manager.Application{Metadata: *app.Meta(), Spec: manager.ApplicationSpec{Title: "At once"}}
	if stored, action, err := s.Put(ctx, admin, renamed, manager.AnyRevision); err != nil || action != manager.ActionUpdated || stored.Meta().ManagedBy != manager.OwnerFile {
		t.Fatalf("an operator changes it, and it stays the file's: %s %v", action, err)
	}
	if got := entries(apply(t, s, withWallet, manager.ApplyOptions{})); got != "updated Application acme/wallet" {
		t.Fatalf("the file has the last word, got %q", got)
	}
	if got := apply(t, s, estate(t), manager.ApplyOptions{}); len(got) > 0 {
		t.Fatalf("without prune nothing is deleted: %v", got)
	}
	if got := entries(apply(t, s, estate(t), manager.ApplyOptions{Prune: true})); got != "deleted Application acme/wallet" {
		t.Fatalf("prune deletes what was taken over, got %q", got)
	}
}

func TestPruneSparesWhatOthersNeed(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	if _, err := s.CreateCredential(ctx, admin, "acme", "checkout", "sandbox", 0); err != nil {
		t.Fatal(err)
	}
	_, err := s.Apply(ctx, files, nil, manager.ApplyOptions{Prune: true})
	if manager.CodeOf(err) != manager.CodeConflict || !strings.Contains(err.Error(), "Application acme/checkout is needed by Credential acme/") {
		t.Errorf("a live key keeps its application: %v", err)
	}
}

// TestPruneKeepsFirstEnvironments: sandbox and production exist whatever files say.
func TestPruneKeepsFirstEnvironments(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	taken := &manager.Environment{Metadata: manager.Metadata{Name: "sandbox"}, Spec: manager.EnvironmentSpec{Title: "Play", Gateway: "http://127.0.0.1:10000"}}
	staging := &manager.Environment{Metadata: manager.Metadata{Name: "staging"}}
	if got := entries(apply(t, s, []manager.Resource{taken, staging}, manager.ApplyOptions{})); got != "updated Environment sandbox, created Environment staging" {
		t.Fatal(got)
	}
	if got := entries(apply(t, s, nil, manager.ApplyOptions{Prune: true})); got != "updated Environment sandbox, deleted Environment staging" {
		t.Fatal(got)
	}
	r, err := s.Resource(ctx, taken.Ref())
	if err != nil {
		t.Fatal(err)
	}
	if e := r.(*manager.Environment); e.Spec.Title != "Sandbox" || e.Spec.Gateway != "" || e.Metadata.ManagedBy != manager.OwnerAPI {
		t.Errorf("sandbox is not what it was at the start: %+v", e)
	}
	if _, err := s.Delete(ctx, admin, taken.Ref(), manager.AnyRevision); manager.CodeOf(err) != manager.CodeConflict {
		t.Errorf("sandbox was deleted: %v", err)
	}
}

// TestMemberSeeds: documents invite, and do no more.
func TestMemberSeeds(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	apply(t, s, estate(t), manager.ApplyOptions{})
	expectMembers(t, s, "acme", "ada@acme.test admin, dev@acme.test developer, eve@acme.test viewer")

	if err := s.RemoveMember(ctx, admin, "acme", "dev@acme.test"); err != nil {
		t.Fatal(err)
	}
	if err := s.InviteMember(ctx, admin, "acme", "Zoe@acme.test", manager.RoleDeveloper); err != nil {
		t.Fatal(err)
	}
	if err := s.InviteMember(ctx, admin, "acme", "eve@acme.test", manager.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	apply(t, s, estate(t), manager.ApplyOptions{Prune: true})
	expectMembers(t, s, "acme", "ada@acme.test admin, eve@acme.test admin, zoe@acme.test developer")

	changed := estate(t)
	for i, r := range changed {
		if p, ok := r.(*manager.Partner); ok && p.Metadata.Name == "acme" {
			changed[i] = &manager.Partner{Metadata: p.Metadata, Spec: manager.PartnerSpec{Title: "Acme", Members: []manager.MemberSeed{{Email: "new@acme.test"}}}}
		}
	}
	apply(t, s, changed, manager.ApplyOptions{})
	expectMembers(t, s, "acme", "ada@acme.test admin, eve@acme.test admin, new@acme.test viewer, zoe@acme.test developer")
}

func expectMembers(t *testing.T, s *manager.Service, partner, want string) {
	t.Helper()
	members, err := s.Members(context.Background(), partner)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range members {
		words = append(words, m.Email+" "+string(m.Role))
	}
	if got := strings.Join(words, ", "); got != want {
		t.Errorf("members of %s: %s", partner, cmp.Diff(want, got))
	}
}
