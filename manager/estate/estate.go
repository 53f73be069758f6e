// Package estate makes estates of any size out of a seed: partners, products, plans, subscriptions and keys with known secrets. They are
// for measuring, for trying out, and for demonstrations.
package estate

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// Size says how much there is of everything. Equal sizes give equal estates.
type Size struct {
	Partners      int // up to 100,000
	Products      int // up to 1,000
	Operations    int // of each product; up to 1,000
	Subscriptions int // of all partners together
	Keys          int // of all partners together
	Seed          uint64
}

// Large is the estate that docs/performance.md measures.
var Large = Size{Partners: 10_000, Products: 200, Operations: 20, Subscriptions: 30_000, Keys: 100_000, Seed: 1}

// Hosts of the estate's environments.
const (
	SandboxHost    = "sandbox.api.example.test"
	ProductionHost = "api.example.test"
)

// environments in the order in which a partner subscribes to a product in them.
var environments = []string{"sandbox", "production"}

// Estate is what was made.
type Estate struct {
	Size      Size
	Resources []manager.Resource
	Keys      []Key

	held map[string][]manager.SubscriptionSpec // by partner
}

// Key is a key with its secret.
type Key struct {
	ID, Key, Partner, Application, Environment string
}

// Generate makes the estate of a size.
func Generate(size Size) (*Estate, error) {
	if err := size.check(); err != nil {
		return nil, err
	}
	e := &Estate{Size: size, held: map[string][]manager.SubscriptionSpec{}}
	draw := rand.New(rand.NewPCG(size.Seed, 0))
	e.add(plans()...)
	for i := range size.Products {
		e.add(product(i, size.Operations))
	}
	for i := range size.Partners {
		e.partner(i, draw)
	}
	for i := range size.Keys {
		e.Keys = append(e.Keys, size.key(i))
	}
	return e, nil
}

func (s Size) check() error {
	for _, c := range []struct {
		name      string
		n, lowest int
		most      int
	}{
		{"partners", s.Partners, 1, 100_000}, {"products", s.Products, 1, 1_000}, {"operations", s.Operations, 1, 1_000},
		{"subscriptions", s.Subscriptions, 0, s.Partners * s.Products * len(environments)}, {"keys", s.Keys, 0, s.Partners * 1_000},
	} {
		if c.n < c.lowest || c.n > c.most {
			return fmt.Errorf("%s is %d; give %d to %d", c.name, c.n, c.lowest, c.most)
		}
	}
	return nil
}

func (e *Estate) add(resources ...manager.Resource) { e.Resources = append(e.Resources, resources...) }

// share is how many of n things the one at index i of all gets, when they are dealt out evenly.
func share(n, i, all int) int {
	each := n / all
	if i < n%all {
		each++
	}
	return each
}

var plan = []string{"starter", "growth", "scale"}

func plans() (all []manager.Resource) {
	for i, name := range plan {
		requests := int64(5)
		for range i {
			requests *= 10
		}
		all = append(all, &manager.Plan{Metadata: manager.Metadata{Name: name}, Spec: manager.PlanSpec{
			Title: strings.ToUpper(name[:1]) + name[1:], Weight: 1 + 3*i,
			Limits: []manager.Limit{
				{Name: "throughput", Rate: &manager.Rate{Requests: requests, Per: "second", Burst: 2 * requests}},
				{Name: "monthly", Quota: &manager.Quota{Requests: 10_000 * requests, Per: "month"}},
				{Name: "in-flight", Concurrency: &manager.Concurrency{Requests: 4 * requests}},
			},
		}})
	}
	return all
}

// partner makes a partner with its application and subscriptions. Some products are far more popular than others.
func (e *Estate) partner(i int, draw *rand.Rand) {
	name, title := partnerName(i)
	meta := func(of string) manager.Metadata { return manager.Metadata{Name: of, Partner: name} }
	e.add(
		&manager.Partner{Metadata: manager.Metadata{Name: name}, Spec: manager.PartnerSpec{
			Title: title, Support: manager.Support{Tier: []string{"bronze", "silver", "gold"}[i%3], Email: "support@" + name + ".example"},
			Members: []manager.MemberSeed{{Email: MemberEmail(i), Role: manager.RoleAdmin}},
		}},
		&manager.Application{Metadata: meta(applicationName), Spec: manager.ApplicationSpec{Title: title + " platform"}},
	)
	taken := map[int]bool{}
	for n := share(e.Size.Subscriptions, i, e.Size.Partners); n > 0; {
		at := int(float64(e.Size.Products) * draw.Float64() * draw.Float64())
		for taken[at] {
			at = (at + 1) % e.Size.Products
		}
		taken[at] = true
		for _, environment := range environments[:min(n, len(environments))] {
			e.subscribe(name, at, environment, plan[draw.IntN(len(plan))])
			n--
		}
	}
}

func (e *Estate) subscribe(partner string, at int, environment, plan string) {
	of, _ := productName(at)
	spec := manager.SubscriptionSpec{Product: of, Environment: environment, Plan: plan}
	e.add(&manager.Subscription{Metadata: manager.Metadata{Name: of + "-" + environment, Partner: partner}, Spec: spec})
	e.held[partner] = append(e.held[partner], spec)
}

// Held are the subscriptions of a partner.
func (e *Estate) Held(partner string) []manager.SubscriptionSpec { return e.held[partner] }

const applicationName = "platform"

// key makes key i. Its secret follows from seed and i: whoever knows the seed knows all keys.
func (s Size) key(i int) Key {
	partner, _ := partnerName(i % s.Partners)
	environment := environments[i/s.Partners%len(environments)]
	var number [16]byte
	binary.LittleEndian.PutUint64(number[:], s.Seed)
	binary.LittleEndian.PutUint64(number[8:], uint64(i))
	sum := sha256.Sum256(number[:])
	text := func(n int, alphabet string, from int) string {
		b := make([]byte, n)
		for j := range b {
			b[j] = alphabet[int(sum[(from+j)%len(sum)])%len(alphabet)]
		}
		return string(b)
	}
	id := text(policy.KeyIDLength, policy.KeyIDAlphabet, 16)
	key := policy.KeyPrefix + environment + "_" + id + "_" + text(policy.KeySecretLength, policy.KeyAlphabet, 0)
	check := policy.KeyChecksum(key)
	return Key{ID: id, Key: key + string(check[:]), Partner: partner, Application: applicationName, Environment: environment}
}
