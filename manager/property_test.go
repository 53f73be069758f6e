package manager_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/partnergate/partnergate/manager"
)

// drawEstate draws a valid policy around the estate: partners with
// applications and subscriptions, plans, and their details.
func drawEstate(t *rapid.T) []manager.Resource {
	var all []manager.Resource
	plans := rapid.IntRange(1, 3).Draw(t, "plans")
	for i := range plans {
		p := plan(fmt.Sprintf("plan-%d", i), rapid.IntRange(0, 3).Draw(t, "weight"))
		p.Spec.Limits = []manager.Limit{{Name: "throughput", Rate: &manager.Rate{Requests: rapid.Int64Range(1, 5).Draw(t, "requests"), Per: "second"}}}
		all = append(all, p)
	}
	for _, partner := range []string{"acme", "globex", "initech"} {
		if !rapid.Bool().Draw(t, partner) {
			continue
		}
		all = append(all, &manager.Partner{Metadata: manager.Metadata{Name: partner}, Spec: manager.PartnerSpec{
			State: rapid.SampledFrom([]manager.State{"", manager.StateActive, manager.StateSuspended}).Draw(t, "state"),
		}})
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"one", "two", "three"}), rapid.ID).Draw(t, "applications") {
			all = append(all, &manager.Application{Metadata: manager.Metadata{Name: name, Partner: partner}})
		}
		for _, product := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"pay", "risk"}), rapid.ID).Draw(t, "subscriptions") {
			all = append(all, &manager.Subscription{Metadata: manager.Metadata{Name: product, Partner: partner}, Spec: manager.SubscriptionSpec{
				Product: product, Environment: "sandbox", Plan: fmt.Sprintf("plan-%d", rapid.IntRange(0, plans-1).Draw(t, "plan")),
			}})
		}
	}
	return rapid.Permutation(all).Draw(t, "order")
}

// TestApplyProperties: whatever was there, after applying with prune the files'
// resources are exactly the documents, applying again changes nothing, and what
// the portal owns is as it was.
func TestApplyProperties(t *testing.T) {
	ctx := context.Background()
	s := newService(t, newClock())
	var products []manager.Resource
	for _, r := range estate(t) {
		if r.Ref().Kind == manager.KindProduct {
			products = append(products, r)
		}
	}
	if _, err := s.Apply(ctx, admin, products, manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	home := &manager.Partner{Metadata: manager.Metadata{Name: "home"}}
	if _, _, err := s.Put(ctx, admin, home, manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	own := &manager.Application{Metadata: manager.Metadata{Name: "own", Partner: "home"}}
	kept, _, err := s.Put(ctx, manager.Actor{Name: "demo", Owner: manager.OwnerAPI}, own, manager.AnyRevision)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		documents := drawEstate(t)
		if _, err := s.Apply(ctx, files, documents, manager.ApplyOptions{Prune: true}); err != nil {
			t.Fatalf("%v", err)
		}
		version := s.PolicyVersion()
		again, err := s.Apply(ctx, files, rapid.Permutation(documents).Draw(t, "again"), manager.ApplyOptions{Prune: true})
		if err != nil || again.PolicyVersion != version {
			t.Fatalf("applied again: version %d → %+v, %v", version, again, err)
		}
		for _, e := range again.Results {
			if e.Action != manager.ActionUnchanged {
				t.Fatalf("applied again: %+v", e)
			}
		}
		owned := map[manager.Ref]bool{}
		for _, kind := range manager.Kinds {
			page, err := s.List(ctx, kind, "", 500, "")
			if err != nil {
				t.Fatalf("%v", err)
			}
			for _, r := range page.Items {
				if r.Meta().ManagedBy == manager.OwnerFile {
					owned[r.Ref()] = true
				}
			}
		}
		for _, r := range documents {
			if !owned[r.Ref()] {
				t.Fatalf("%s is not there, or not the file's", r.Ref())
			}
		}
		if len(owned) != len(documents) {
			t.Fatalf("files own %d resources, declared are %d", len(owned), len(documents))
		}
		if now, err := s.Resource(ctx, own.Ref()); err != nil || *now.Meta() != *kept.Meta() {
			t.Fatalf("what the API owns was touched: %+v %v", now, err)
		}
	})
}

// FuzzReadDocuments: no bytes crash the reader, and what it reads can be written and read again.
func FuzzReadDocuments(f *testing.F) {
	for _, seed := range []string{"", wallet, "a: &a [*a]", "? [a]: b", "- - - x", "{\"a\": [1, 2.5, null]}", "a: |2\n   b\n", "%YAML 1.2\n---\nkind: Plan\n", "a: !!str b", "<<: *x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, err := manager.ReadDocuments("fuzz.yaml", data, nil)
		if err != nil && manager.CodeOf(err) != manager.CodeInvalid {
			t.Errorf("an error that nobody can act on: %v", err)
		}
		for _, d := range documents {
			expectSameDocument(t, d.Resource)
		}
	})
}

// FuzzReadResource: no bytes crash the reader of API bodies.
func FuzzReadResource(f *testing.F) {
	f.Add([]byte(`{"metadata": {"name": "a"}, "spec": {"limits": [{"name": "a", "rate": {"requests": 1, "per": "second"}}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range manager.Kinds {
			r, err := manager.ReadResource(kind, data)
			if err == nil {
				_ = manager.Validate([]manager.Resource{r}) // either way, but without a panic
			} else if manager.CodeOf(err) != manager.CodeInvalid {
				t.Errorf("an error that nobody can act on: %v", err)
			}
		}
	})
}
