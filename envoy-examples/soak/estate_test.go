package soak

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// hosts are the environments, each with its host.
var hosts = map[string]string{"sandbox": "sandbox.soak.test", "production": "api.soak.test", "staging": "staging.soak.test"}

// operation is one of the estate's.
type operation struct{ product, id, method, path string }

var (
	listCharges  = operation{"payments", "listCharges", "GET", "/payments/charges"}
	createCharge = operation{"payments", "createCharge", "POST", "/payments/charges"}
	getCharge    = operation{"payments", "getCharge", "GET", "/payments/charges/ch_1"}
	upload       = operation{"payments", "upload", "POST", "/payments/upload"}
	listFeeds    = operation{"risk", "listFeeds", "GET", "/risk/feeds"}
	listEntries  = operation{"ledger", "listEntries", "GET", "/ledger/entries"}
	nowhere      = operation{path: "/payments/nowhere", method: "GET"}
	operations   = []operation{listCharges, createCharge, getCharge, upload, listFeeds, listEntries, nowhere}
)

// subscription is what a partner may call.
type subscription struct{ partner, product, environment string }

func (s subscription) name() string { return s.product + "-" + s.environment }

// terms are a subscription's plan and, as policy stands, its state and what it is narrowed to.
type terms struct {
	plan     string
	state    manager.State
	narrowed bool // to listCharges
}

// keyed is what is known of a key.
type keyed struct {
	partner, environment, id string
	revoked, rotated         bool
}

// state is the policy as it stands after a change. It is never changed: each change makes another.
type state struct {
	keys          map[string]keyed // by the key
	suspended     map[string]bool  // partners
	subscriptions map[subscription]terms
	retired       map[string]bool // products
}

func (s *state) copy() *state {
	return &state{maps.Clone(s.keys), maps.Clone(s.suspended), maps.Clone(s.subscriptions), maps.Clone(s.retired)}
}

// contract is what a plan allows; a zero is no limit.
type contract struct {
	rate        float64 // a second
	burst       int
	quota       int // a day
	concurrency int
}

// plans are the contracts; the quota is in proportion to the run's length.
func plans(length time.Duration) map[string]contract {
	return map[string]contract{
		"ample":  {rate: 1000, burst: 1000},
		"tight":  {rate: 5, burst: 10},
		"slow":   {rate: 1, burst: 20}, // 60 a minute
		"budget": {quota: int(1.5 * length.Seconds())},
		"slots":  {concurrency: 4},
	}
}

// flips are the partners whose policy changes all the time; the others' never does.
var flips = []string{"flip-a", "flip-b", "flip-c"}

// first is the policy in the beginning, without keys.
func first() *state {
	s := &state{map[string]keyed{}, map[string]bool{}, map[subscription]terms{}, map[string]bool{}}
	add := func(partner, product, environment, plan string) {
		s.subscriptions[subscription{partner, product, environment}] = terms{plan: plan, state: manager.StateActive}
	}
	for environment := range hosts {
		add("anchor", "payments", environment, "ample")
	}
	add("anchor", "risk", "sandbox", "ample")
	for _, partner := range flips {
		add(partner, "payments", "sandbox", "ample")
		add(partner, "payments", "production", "ample")
		add(partner, "ledger", "sandbox", "ample")
	}
	add("flood", "payments", "sandbox", "tight")
	add("minute", "payments", "production", "slow")
	add("budget", "payments", "sandbox", "budget")
	add("slots", "payments", "staging", "slots")
	add("grpc", "payments", "sandbox", "ample")
	return s
}

const api = "apiVersion: partnergate.dev/v1alpha1\n"

// estateYAML is the policy as documents.
func estateYAML(s *state, length time.Duration) string {
	documents := []string{api + "kind: Environment\nmetadata: {name: staging}\nspec: {title: Staging}\n"}
	for name, c := range plans(length) {
		documents = append(documents, planYAML(name, c))
	}
	for _, product := range []string{"payments", "risk", "ledger"} {
		documents = append(documents, productYAML(s, product))
	}
	partners := map[string]bool{}
	for sub := range s.subscriptions {
		partners[sub.partner] = true
		documents = append(documents, subscriptionYAML(s, sub))
	}
	for partner := range partners {
		documents = append(documents, partnerYAML(s, partner), api+"kind: Application\nmetadata: {name: app, partner: "+partner+"}\nspec: {}\n")
	}
	return strings.Join(documents, "---\n")
}

func planYAML(name string, c contract) string {
	var limits []string
	switch {
	case name == "slow":
		limits = append(limits, fmt.Sprintf("{name: rate, rate: {requests: 60, per: minute, burst: %d}}", c.burst))
	case c.rate > 0:
		limits = append(limits, fmt.Sprintf("{name: rate, rate: {requests: %d, per: second, burst: %d}}", int(c.rate), c.burst))
	case c.quota > 0:
		limits = append(limits, fmt.Sprintf("{name: quota, quota: {requests: %d, per: day}}", c.quota))
	case c.concurrency > 0:
		limits = append(limits, fmt.Sprintf("{name: slots, concurrency: {requests: %d}}", c.concurrency))
	}
	return api + "kind: Plan\nmetadata: {name: " + name + "}\nspec: {limits: [" + strings.Join(limits, ", ") + "]}\n"
}

func productYAML(s *state, product string) string {
	paths := map[string][]string{}
	for _, o := range operations {
		if o.product == product {
			path := strings.Replace(o.path, "ch_1", "{id}", 1)
			paths[path] = append(paths[path], fmt.Sprintf("%s: {operationId: %s, responses: {'200': {description: ok}}}", strings.ToLower(o.method), o.id))
		}
	}
	var all []string
	for path, of := range paths {
		parameters := ""
		if strings.Contains(path, "{id}") {
			parameters = "parameters: [{name: id, in: path, required: true, schema: {type: string}}], "
		}
		all = append(all, "'"+path+"': {"+parameters+strings.Join(of, ", ")+"}")
	}
	environments := "sandbox: {hosts: [" + hosts["sandbox"] + "]}, production: {hosts: [" + hosts["production"] + "]}"
	if product == "payments" {
		environments += ", staging: {hosts: [" + hosts["staging"] + "]}"
	}
	lifecycle := "published"
	if s.retired[product] {
		lifecycle = "retired"
	}
	return api + "kind: Product\nmetadata: {name: " + product + "}\nspec: {lifecycle: " + lifecycle + ", environments: {" + environments +
		"}, openapi: {openapi: 3.1.0, info: {title: Soak, version: '1'}, paths: {" + strings.Join(all, ", ") + "}}}\n"
}

func partnerYAML(s *state, partner string) string {
	stands := manager.StateActive
	if s.suspended[partner] {
		stands = manager.StateSuspended
	}
	return api + fmt.Sprintf("kind: Partner\nmetadata: {name: %s}\nspec: {state: %s}\n", partner, stands)
}

func subscriptionYAML(s *state, sub subscription) string {
	t := s.subscriptions[sub]
	narrowed := ""
	if t.narrowed {
		narrowed = ", operations: [listCharges]"
	}
	return api + fmt.Sprintf("kind: Subscription\nmetadata: {name: %s, partner: %s}\nspec: {product: %s, environment: %s, plan: %s, state: %s%s}\n",
		sub.name(), sub.partner, sub.product, sub.environment, t.plan, t.state, narrowed)
}
