package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/partnergate/partnergate/filters/policy"
)

// TestConfirmDecidesAsTheNewPolicyDoes draws an estate and takes things away from it: what the policy before let through is confirmed
// exactly where the new one lets it through as the same operation, and refused with the same code otherwise.
func TestConfirmDecidesAsTheNewPolicyDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := drawSource(t)
		before := build(t, src)
		after := build(t, lessOf(t, src))
		for _, c := range src.Credentials {
			for _, p := range src.Products {
				for _, o := range p.Operations {
					for _, host := range hostsOf(c.Environment) {
						q := policy.Request{Method: o.Method, Host: host, Path: concrete(o.Path), Key: keyOf(c.Environment, c.ID), Keys: 1, Now: start}
						if d := before.Decide(&q); d.Code == policy.Undecided {
							confirmed(t, after, &q, d)
						}
					}
				}
			}
		}
	})
}

// lessOf is the next version of src, with some things taken away.
func lessOf(t *rapid.T, src *policy.Source) *policy.Source {
	sometimes := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	less := *src
	less.Version++
	less.Products = nil
	for _, p := range src.Products {
		if len(p.Operations) > 1 && sometimes("operation removed") {
			p.Operations = p.Operations[1:]
		}
		if len(p.Environments) > 0 && sometimes("environment left") {
			p.Environments = p.Environments[1:]
		}
		if !sometimes("product retired") {
			less.Products = append(less.Products, p)
		}
	}
	has := func(product string) bool {
		return slices.ContainsFunc(less.Products, func(p policy.SourceProduct) bool { return p.Name == product })
	}
	less.Partners = slices.Clone(src.Partners)
	for i := range less.Partners {
		less.Partners[i].Suspended = less.Partners[i].Suspended || sometimes("partner suspended")
	}
	less.Grants = nil
	for _, g := range src.Grants {
		g.Suspended = g.Suspended || sometimes("grant suspended")
		if has(g.Product) && !sometimes("grant ended") {
			less.Grants = append(less.Grants, g)
		}
	}
	less.Credentials = nil
	for _, c := range src.Credentials {
		switch rapid.IntRange(0, 5).Draw(t, "key") {
		case 0:
			c.RevokedAt = start
		case 1:
			c.ExpiresAt = start
		case 2:
			continue
		}
		less.Credentials = append(less.Credentials, c)
	}
	return &less
}

func confirmed(t *rapid.T, after *policy.Snapshot, q *policy.Request, before policy.Decision) {
	got, want := before, after.Decide(q)
	after.Confirm(&got, q.Now)
	if want.Product != "" && (want.Product != before.Product || want.Operation != before.Operation) {
		want = policy.Decision{Code: policy.OperationNotFound} // the path means another operation now; the request means its own
	}
	if got.Code != want.Code || got.PolicyVersion != 2 || want.Code == policy.Undecided && got != want {
		t.Fatalf("%s %s on %s: %+v\nis confirmed as %+v\nand decided as    %+v", q.Method, q.Path, q.Host, before, got, want)
	}
}

// TestConfirmTakesNoStepBack leaves a decision alone that a policy as new, or newer, has made.
func TestConfirmTakesNoStepBack(t *testing.T) {
	src := estate()
	q := ask()
	q.Path = "/v1/payments/42"
	now := build(t, src).Decide(&q)
	src.Version, src.Grants = src.Version-1, nil
	older, got := build(t, src), now
	if older.Confirm(&got, q.Now); got != now || now.Code != policy.Undecided {
		t.Errorf("%+v became %+v", now, got)
	}
}

// TestImportedAgainForAnother moves a key, as importing its digest anew does: the request is not let through as either.
func TestImportedAgainForAnother(t *testing.T) {
	src := estate()
	q := ask()
	q.Path = "/v1/payments/42"
	d := build(t, src).Decide(&q)
	src.Version++
	for i := range src.Credentials {
		if src.Credentials[i].ID == "c" {
			src.Credentials[i].Environment = "production"
		}
	}
	if build(t, src).Confirm(&d, q.Now); d.Code != policy.EnvironmentMismatch {
		t.Errorf("%+v", d)
	}
}

// TestGateLooksTheKeyUpAgain gates, by a policy that has revoked a key, what the policy before resolved.
func TestGateLooksTheKeyUpAgain(t *testing.T) {
	src := estate()
	q := ask()
	d := build(t, src).Resolve(&q)
	src.Version++
	for i := range src.Credentials {
		src.Credentials[i].RevokedAt = 1
	}
	if build(t, src).Gate(&q, &d); d.Code != policy.CredentialRevoked || d.PolicyVersion != src.Version {
		t.Errorf("%+v", d)
	}
}
