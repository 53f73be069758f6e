package manager_test

import (
	"context"
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager"
)

func digestOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func tokenOf(role manager.TokenRole, teams ...string) manager.Actor {
	return manager.Actor{Name: "t", Owner: manager.OwnerAPI, Grant: &manager.Grant{Role: role, Teams: teams}}
}

// teamEstate has a product of the team core and one of the team risk, both in acme's hands.
func teamEstate(t *testing.T) *manager.Service {
	t.Helper()
	s := newService(t, newClock())
	apply(t, s, readFile(t, "teams.yaml"), manager.ApplyOptions{})
	return s
}

// changed is a stored resource with a change.
func changed[R manager.Resource](t *testing.T, s *manager.Service, ref manager.Ref, change func(R) R) manager.Resource {
	t.Helper()
	r, err := s.Resource(context.Background(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return change(r.(R))
}

func TestGrants(t *testing.T) {
	ctx := context.Background()
	product := func(team string) func(*manager.Product) *manager.Product {
		return func(p *manager.Product) *manager.Product {
			c := *p
			c.Spec.Summary += "!"
			c.Spec.Team = team
			return &c
		}
	}
	subscription := func(product string, state manager.State) func(*manager.Subscription) *manager.Subscription {
		return func(r *manager.Subscription) *manager.Subscription {
			c := *r
			c.Spec.Product, c.Spec.State = product, state
			return &c
		}
	}
	partner := func(title string, state manager.State) func(*manager.Partner) *manager.Partner {
		return func(p *manager.Partner) *manager.Partner {
			c := *p
			c.Spec.Title, c.Spec.State = title, state
			return &c
		}
	}
	pay, risk := manager.Ref{Kind: manager.KindProduct, Name: "pay"}, manager.Ref{Kind: manager.KindProduct, Name: "risk"}
	toPay := manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "pay"}
	toRisk := manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "risk"}
	acme := manager.Ref{Kind: manager.KindPartner, Name: "acme"}
	for _, c := range []struct {
		name    string
		actor   manager.Actor
		change  func(t *testing.T, s *manager.Service) manager.Resource
		allowed bool
	}{
		{"a team changes its product", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource { return changed(t, s, pay, product("core")) }, true},
		{"who is confined to no team changes nothing", tokenOf(manager.TokenOperator, []string{}...), func(t *testing.T, s *manager.Service) manager.Resource { return changed(t, s, pay, product("core")) }, false},
		{"a team changes another's", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource { return changed(t, s, risk, product("risk")) }, false},
		{"a team takes another's", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource { return changed(t, s, risk, product("core")) }, false},
		{"a team gives its own away", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource { return changed(t, s, pay, product("risk")) }, false},
		{"two teams give theirs away", tokenOf(manager.TokenOperator, "core", "risk"), func(t *testing.T, s *manager.Service) manager.Resource { return changed(t, s, pay, product("risk")) }, true},
		{"a team suspends a subscription to its product", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, toPay, subscription("pay", manager.StateSuspended))
		}, true},
		{"a team suspends another's", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, toRisk, subscription("risk", manager.StateSuspended))
		}, false},
		{"a team turns its subscription into another's", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, toPay, subscription("risk", manager.StateActive))
		}, false},
		{"a team suspends a partner", tokenOf(manager.TokenOperator, "core"), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, acme, partner("Acme", manager.StateSuspended))
		}, false},
		{"a team changes a plan", tokenOf(manager.TokenOperator, "core"), func(*testing.T, *manager.Service) manager.Resource { return plan("p", 9) }, false},
		{"support suspends a partner", tokenOf(manager.TokenSupport), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, acme, partner("Acme", manager.StateSuspended))
		}, true},
		{"support renames a partner", tokenOf(manager.TokenSupport), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, acme, partner("Other", manager.StateSuspended))
		}, false},
		{"support suspends a subscription", tokenOf(manager.TokenSupport), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, toRisk, subscription("risk", manager.StateSuspended))
		}, true},
		{"support ends a subscription", tokenOf(manager.TokenSupport), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, toRisk, subscription("risk", manager.StateEnded))
		}, false},
		{"support gives another product", tokenOf(manager.TokenSupport), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, toRisk, subscription("pay", manager.StateActive))
		}, false},
		{"support makes a partner", tokenOf(manager.TokenSupport), func(*testing.T, *manager.Service) manager.Resource {
			return &manager.Partner{Metadata: manager.Metadata{Name: "new"}}
		}, false},
		{"support of a team suspends a partner", tokenOf(manager.TokenSupport, "core"), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, acme, partner("Acme", manager.StateSuspended))
		}, false},
		{"an operator does all that", tokenOf(manager.TokenOperator), func(t *testing.T, s *manager.Service) manager.Resource {
			return changed(t, s, acme, partner("Other", manager.StateSuspended))
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := teamEstate(t)
			r := c.change(t, s)
			_, _, err := s.Put(ctx, c.actor, r, manager.AnyRevision)
			dry := c.actor
			dry.Owner = manager.OwnerFile
			if c.allowed != (err == nil) || !c.allowed && manager.CodeOf(err) != manager.CodeForbidden {
				t.Errorf("allowed %v, got %v", c.allowed, err)
			}
			if _, err := s.Apply(ctx, dry, []manager.Resource{r}, manager.ApplyOptions{DryRun: true}); !c.allowed && manager.CodeOf(err) != manager.CodeForbidden {
				t.Errorf("by apply: %v", err)
			}
		})
	}
}

func TestGrantsOfKeysAndPeople(t *testing.T) {
	ctx := context.Background()
	s := teamEstate(t)
	key, err := s.CreateCredential(ctx, tokenOf(manager.TokenOperator), "acme", "app", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	team, support := tokenOf(manager.TokenOperator, "core"), tokenOf(manager.TokenSupport)
	for name, err := range map[string]error{
		"a team makes a key":       second(s.CreateCredential(ctx, team, "acme", "app", "sandbox", 0)),
		"a team revokes a key":     second(s.RevokeCredential(ctx, team, key.ID)),
		"a team invites":           s.InviteMember(ctx, team, "acme", "x@acme.test", manager.RoleAdmin),
		"support makes a key":      second(s.CreateCredential(ctx, support, "acme", "app", "sandbox", 0)),
		"support rotates a key":    second(s.RotateCredential(ctx, support, key.ID, 0)),
		"a team deletes another's": second(s.Delete(ctx, team, manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "risk"}, manager.AnyRevision)),
		"support deletes":          second(s.Delete(ctx, support, manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "risk"}, manager.AnyRevision)),
	} {
		if manager.CodeOf(err) != manager.CodeForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.RevokeCredential(ctx, support, key.ID); err != nil {
		t.Errorf("support revokes a key: %v", err)
	}
	if _, err := s.Delete(ctx, team, manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "pay"}, manager.AnyRevision); err != nil {
		t.Errorf("a team ends a subscription to its product: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// A team that served another's paths could let partners call the other's upstream.
func TestTeamsKeepOffEachOthersPaths(t *testing.T) {
	ctx := context.Background()
	team := tokenOf(manager.TokenOperator, "core")
	for _, c := range []struct {
		name, host, path, method, lifecycle string
		allowed                             bool
	}{
		{"the same", "risk.test", "/risk", "get", "published", false},
		{"another method", "risk.test", "/risk", "delete", "published", false},
		{"a parameter", "risk.test", "/{all}", "get", "published", false},
		{"as a draft", "risk.test", "/risk", "get", "draft", true},
		{"another path", "risk.test", "/scores", "get", "published", true},
		{"a longer path", "risk.test", "/risk/{id}", "get", "published", true},
		{"another host", "core.test", "/risk", "get", "published", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := teamEstate(t)
			p := read(t, "apiVersion: partnergate.dev/v1alpha1\nkind: Product\nmetadata: {name: evil}\nspec: {team: core, lifecycle: "+c.lifecycle+
				", openapi: {openapi: 3.1.0, info: {title: E, version: \"1\"}, paths: {"+strconv.Quote(c.path)+": {"+c.method+
				": {operationId: x, responses: {\"200\": {description: ok}}"+parameters(c.path)+"}}}}, environments: {sandbox: {hosts: ["+c.host+"]}}}")[0]
			if _, _, err := s.Put(ctx, team, p, manager.AnyRevision); c.allowed != (err == nil) || !c.allowed && manager.CodeOf(err) != manager.CodeForbidden {
				t.Errorf("allowed %v, got %v", c.allowed, err)
			}
			if _, _, err := s.Put(ctx, tokenOf(manager.TokenOperator), p, manager.AnyRevision); err != nil {
				t.Errorf("an operator without bounds: %v", err)
			}
		})
	}
}

// parameters declares those of a path.
func parameters(path string) string {
	_, rest, found := strings.Cut(path, "{")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(rest, "}")
	return ", parameters: [{name: " + name + ", in: path, required: true, schema: {type: string}}]"
}

// A team prunes its own and leaves alone what is others'.
func TestTeamPrunesItsOwn(t *testing.T) {
	s := teamEstate(t)
	team := manager.Actor{Name: "t", Owner: manager.OwnerFile, Grant: &manager.Grant{Role: manager.TokenOperator, Teams: []string{"core"}}}
	result, err := s.Apply(context.Background(), team, nil, manager.ApplyOptions{Prune: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Results) != 2 { // its product and the subscription to it
		t.Errorf("pruned: %+v", result.Results)
	}
	if _, err := s.Resource(context.Background(), manager.Ref{Kind: manager.KindProduct, Name: "risk"}); err != nil {
		t.Error(err)
	}
}
