package manager_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/manager"
)

func TestApply(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	created := apply(t, s, estate(t), manager.ApplyOptions{})
	if len(created) != 10 {
		t.Fatalf("the estate has 10 resources, %d were created: %v", len(created), created)
	}
	version := s.PolicyVersion()
	if again := apply(t, s, estate(t), manager.ApplyOptions{Prune: true}); len(again) > 0 || s.PolicyVersion() != version {
		t.Fatalf("the same documents again changed %v, version %d → %d", again, version, s.PolicyVersion())
	}
	c, err := s.Catalog(ctx, "acme", "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", c)
	_ = cmp.Diff
}
