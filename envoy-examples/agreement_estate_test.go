package envoyexamples

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// How large a generated estate is.
const (
	generatedPartners   = 22
	generatedProducts   = 12
	generatedOperations = 18 // of each product
	auditor             = "auditor@agreement.example"
)

var generatedEnvironments = []string{"sandbox", "production", "staging"}

// generated is an estate made by chance: products that share hosts, base paths and templates, literals beside parameters, and
// subscriptions in every state.
type generated struct {
	random    *rand.Rand
	products  []*manager.Product
	routes    map[string][]route // by product
	partners  []*manager.Partner
	granted   []*manager.Subscription
	resources []manager.Resource
}

// route is one operation, as its document has it.
type route struct {
	product, operation, method, path string
}

func generate(seed uint64) *generated {
	g := &generated{random: rand.New(rand.NewPCG(seed, seed)), routes: map[string][]route{}}
	g.add(&manager.Environment{Metadata: manager.Metadata{Name: "staging"}, Spec: manager.EnvironmentSpec{Title: "Staging"}})
	limits := []manager.Limit{
		{Name: "rate", Rate: &manager.Rate{Requests: 1_000_000, Per: "second"}},
		{Name: "quota", Quota: &manager.Quota{Requests: 1_000_000_000, Per: "month"}},
		{Name: "in-flight", Concurrency: &manager.Concurrency{Requests: 100_000}},
	}
	g.add(&manager.Plan{Metadata: manager.Metadata{Name: "agreed-wide"}, Spec: manager.PlanSpec{Limits: limits}})
	g.add(&manager.Plan{Metadata: manager.Metadata{Name: "agreed-none"}})
	for i := range generatedProducts {
		g.product(i)
	}
	for i := range generatedPartners {
		g.partner(i)
	}
	return g
}

func (g *generated) add(r manager.Resource) { g.resources = append(g.resources, r) }

func pick[T any](g *generated, from ...T) T { return from[g.random.IntN(len(from))] }

func (g *generated) chance(percent int) bool { return g.random.IntN(100) < percent }

// generatedHosts are the hosts of an environment.
func generatedHosts(environment string) []string {
	return []string{"a." + environment + ".agreement.test", "b." + environment + ".agreement.test", environment + ".agreement.test"}
}

func (g *generated) product(i int) {
	name := fmt.Sprintf("agreed-%d", i)
	p := &manager.Product{Metadata: manager.Metadata{Name: name}}
	p.Spec.BasePath = pick(g, "", "/core", "/core/v2", "/shop", "/bank", "/bank/v2")
	p.Spec.Lifecycle = pick(g, manager.LifecyclePublished, manager.LifecyclePublished, manager.LifecycleDeprecated)
	switch i { // at least one of each
	case 0:
		p.Spec.Lifecycle = manager.LifecycleDraft
	case 1:
		p.Spec.Lifecycle = manager.LifecycleRetired
	}
	p.Spec.Environments = map[string]manager.ProductEnvironment{}
	for _, environment := range generatedEnvironments {
		if g.chance(85) {
			hosts := generatedHosts(environment)
			g.random.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
			p.Spec.Environments[environment] = manager.ProductEnvironment{Hosts: hosts[:1+g.random.IntN(2)]}
		}
	}
	p.Spec.OpenAPI = g.document(name, p.Spec.BasePath)
	g.products = append(g.products, p)
	g.add(p)
}

// document writes an OpenAPI document with operations that no other has in this product.
func (g *generated) document(product, base string) string {
	paths := map[string]map[string]any{}
	for n := 0; n < generatedOperations; {
		path, method := g.template(), pick(g, "get", "post", "put", "delete")
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		if paths[path][method] != nil {
			continue
		}
		id := fmt.Sprintf("op%d", n)
		paths[path][method] = map[string]any{"operationId": id, "parameters": parametersOf(path),
			"responses": map[string]any{"200": map[string]any{"description": "ok"}}}
		g.routes[product] = append(g.routes[product], route{product, id, strings.ToUpper(method), base + path})
		n++
	}
	document, err := json.Marshal(map[string]any{"openapi": "3.1.0", "info": map[string]any{"title": product, "version": "1"}, "paths": paths})
	if err != nil {
		panic(err) // maps and strings can always be written
	}
	return string(document)
}

// template is a path of one to four segments out of few words, so that many meet.
func (g *generated) template() string {
	var b strings.Builder
	for i := range 1 + g.random.IntN(4) {
		if i > 0 && g.chance(35) || g.chance(10) {
			fmt.Fprintf(&b, "/{p%d}", i)
		} else {
			b.WriteString("/" + pick(g, "pay", "Pay", "orders", "export", "v2", "a.b~c", "core"))
		}
	}
	return b.String()
}

func parametersOf(path string) (list []any) {
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(segment, "{") {
			list = append(list, map[string]any{"name": strings.Trim(segment, "{}"), "in": "path", "required": true,
				"schema": map[string]any{"type": "string"}})
		}
	}
	return list
}

func (g *generated) partner(i int) {
	name := fmt.Sprintf("agreed-%d", i)
	p := &manager.Partner{Metadata: manager.Metadata{Name: name}}
	p.Spec.Members = []manager.MemberSeed{{Email: auditor, Role: manager.RoleViewer}}
	if i == 0 || g.chance(5) {
		p.Spec.State = manager.StateSuspended
	}
	g.partners = append(g.partners, p)
	g.add(p)
	for _, application := range []string{"first", "second"} {
		g.add(&manager.Application{Metadata: manager.Metadata{Name: application, Partner: name}})
	}
	for _, environment := range generatedEnvironments {
		var held []*manager.Product
		for _, product := range g.products {
			if g.chance(45) && !g.meets(product, held, environment) {
				held = append(held, product)
				g.subscribe(name, product, environment)
			}
		}
	}
}

// meets reports whether a partner would hold one host, method and template twice, which no policy may have.
func (g *generated) meets(product *manager.Product, held []*manager.Product, environment string) bool {
	return slices.ContainsFunc(held, func(other *manager.Product) bool {
		for _, host := range product.Spec.Environments[environment].Hosts {
			if !slices.Contains(other.Spec.Environments[environment].Hosts, host) {
				continue
			}
			for _, r := range g.routes[product.Metadata.Name] {
				if slices.ContainsFunc(g.routes[other.Metadata.Name], func(o route) bool {
					return o.method == r.method && shape(o.path) == shape(r.path)
				}) {
					return true
				}
			}
		}
		return false
	})
}

// shape is a template without the names of its parameters.
func shape(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

func (g *generated) subscribe(partner string, product *manager.Product, environment string) {
	s := &manager.Subscription{Metadata: manager.Metadata{Name: product.Metadata.Name + "-" + environment, Partner: partner}}
	s.Spec = manager.SubscriptionSpec{Product: product.Metadata.Name, Environment: environment, Plan: pick(g, "agreed-wide", "agreed-none")}
	const day = 24 * time.Hour
	past, future := time.Now().Add(-day), time.Now().Add(day)
	switch n := g.random.IntN(100); {
	case n < 8:
		s.Spec.State = manager.StateSuspended
	case n < 16:
		s.Spec.State = manager.StateEnded
	case n < 24:
		s.Spec.State = manager.StateRequested
	case n < 32:
		s.Spec.StartsAt = &future
	case n < 40:
		s.Spec.EndsAt = &past
	case n < 45:
		s.Spec.StartsAt, s.Spec.EndsAt = &past, &future
	}
	if g.chance(25) {
		for _, r := range g.routes[product.Metadata.Name] {
			if g.chance(50) || s.Spec.Operations == nil {
				s.Spec.Operations = append(s.Spec.Operations, r.operation)
			}
		}
	}
	if g.chance(20) {
		s.Spec.Applications = []string{pick(g, "first", "second")}
	}
	g.granted = append(g.granted, s)
	g.add(s)
}

// generatedKeys makes a key for each application in each environment.
func generatedKeys(t testing.TB, b *backend, g *generated) (keys map[string][]string, version int64) {
	t.Helper()
	keys = map[string][]string{}
	for _, partner := range g.partners {
		for _, environment := range generatedEnvironments {
			for _, application := range []string{"first", "second"} {
				key := b.key(t, partner.Metadata.Name, application, environment)
				place := partner.Metadata.Name + "/" + environment
				keys[place], version = append(keys[place], key.Key), key.PolicyVersion
			}
		}
	}
	return keys, version
}
