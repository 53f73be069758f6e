package manager

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/partnergate/partnergate/filters/policy"
)

// Bounds of what a spec holds.
const (
	maxTitle        = 200
	maxSummary      = 2_000
	maxHosts        = 64 // of one product in one environment
	maxEnvironments = 64 // of one product
	maxMembers      = 1_000
	maxSelected     = 1_000 // operations or applications named in one list
	maxWeight       = 1_000_000
	// maxOperationBytes keeps the record of a product within one part of a snapshot.
	maxOperationBytes = 200 << 10
)

// checkSpec checks what a spec says by itself.
func checkSpec(r Resource, p *problems) {
	switch r := r.(type) {
	case *Environment:
		checkText(r.Spec.Title, maxTitle, "spec.title", p)
		checkGateway(r.Spec.Gateway, p)
	case *Product:
		checkProduct(&r.Spec, p)
	case *Plan:
		checkText(r.Spec.Title, maxTitle, "spec.title", p)
		if w := r.Spec.Weight; w < 0 || w > maxWeight {
			p.addf(0, "spec.weight", "%d is out of range; give 1 to %d", w, maxWeight)
		}
		checkLimits(r.Spec.Limits, "spec.limits", p)
	case *Partner:
		checkPartner(&r.Spec, p)
	case *Application:
		checkText(r.Spec.Title, maxTitle, "spec.title", p)
	case *Subscription:
		checkSubscription(&r.Spec, p)
	}
}

func checkText(s string, most int, path string, p *problems) {
	if len(s) > most {
		p.addf(0, path, "has more than %d bytes; shorten it", most)
	}
	if strings.ContainsFunc(s, isControl) {
		p.add(0, path, "has control characters; leave them out")
	}
}

// isControl finds what would steer the terminals that texts are shown on. Lines and tabs are harmless.
func isControl(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }

// oneOf checks an enumerated value.
func oneOf[T ~string](value T, path string, p *problems, allowed ...T) {
	if slices.Contains(allowed, value) {
		return
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	p.addf(0, path, "%q is not one of %s", shortened(string(value)), strings.Join(words, ", "))
}

func checkGateway(gateway string, p *problems) {
	if gateway == "" {
		return
	}
	u, err := url.Parse(gateway)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		p.addf(0, "spec.gateway", "%q is no base URL; write it as https://api.example.test", shortened(gateway))
		return
	}
	if address, err := netip.ParseAddr(u.Hostname()); err == nil {
		if kind := NoGatewayAddress(address); kind != "" {
			p.addf(0, "spec.gateway", "%s is %s, which the manager does not call; give the gateway's own address", shortened(u.Hostname()), kind)
		}
	}
}

func checkProduct(s *ProductSpec, p *problems) {
	checkText(s.Title, maxTitle, "spec.title", p)
	checkText(s.Summary, maxSummary, "spec.summary", p)
	checkText(s.Team, maxTitle, "spec.team", p)
	oneOf(s.Lifecycle, "spec.lifecycle", p, LifecycleDraft, LifecyclePublished, LifecycleDeprecated, LifecycleRetired)
	if s.Capacity != nil {
		checkRate(s.Capacity, "spec.capacity", p)
	}
	if len(s.Environments) > maxEnvironments {
		p.addf(0, "spec.environments", "names more than %d environments; split the product", maxEnvironments)
		return
	}
	size := 0
	for _, o := range s.Operations {
		size += len(o.ID) + len(o.Method) + len(o.Path) + 6
	}
	for _, environment := range names(s.Environments) {
		path := field("spec.environments", environment)
		checkLabel(environment, path, p)
		size += checkHosts(s.Environments[environment].Hosts, field(path, "hosts"), p)
	}
	if size > maxOperationBytes {
		p.addf(0, "spec.openapi", "the ids and paths of the operations take %d kB, more than %d kB; split the product", size>>10, maxOperationBytes>>10)
	}
}

// checkHosts returns how many bytes the hosts take.
func checkHosts(hosts []string, path string, p *problems) (size int) {
	if len(hosts) == 0 {
		p.add(0, path, "names no host; name one or leave the environment out")
	}
	if len(hosts) > maxHosts {
		p.addf(0, path, "names more than %d hosts; split the product", maxHosts)
		return 0
	}
	for i, host := range hosts {
		size += len(host) + 2
		switch {
		case !isHost(host):
			p.addf(0, index(path, i), "%q is no host name; write it in lower case, without scheme, port and path", shortened(host))
		case slices.Contains(hosts[:i], host):
			p.addf(0, index(path, i), "%s stands twice; keep one", host)
		}
	}
	return size
}

func basePathProblem(basePath string) string {
	switch {
	case basePath == "":
		return ""
	case basePath == "/" || strings.HasSuffix(basePath, "/"):
		return "ends in a slash; leave that out"
	case strings.ContainsAny(basePath, "{}"):
		return "has a parameter; put parameters into the document's paths"
	case !strings.HasPrefix(basePath, "/"):
		return "does not begin with a slash; write /" + shortened(basePath)
	}
	return templateProblem(basePath)
}

func checkLimits(limits []Limit, path string, p *problems) {
	if len(limits) > policy.MaxLimits {
		p.addf(0, path, "has %d limits; at most %d are allowed", len(limits), policy.MaxLimits)
		return
	}
	for i := range limits {
		at := index(path, i)
		checkLimit(&limits[i], at, p)
		for j := range i {
			if limits[j].Name == limits[i].Name {
				p.addf(0, field(at, "name"), "%q stands twice; give each limit its own name", shortened(limits[i].Name))
				break
			}
		}
	}
}

func checkLimit(l *Limit, path string, p *problems) {
	checkLabel(l.Name, field(path, "name"), p)
	oneOf(l.Scope, field(path, "scope"), p, ScopeSubscription, ScopePartner, ScopeApplication)
	checkSelected(l.Operations, field(path, "operations"), p)
	kinds := 0
	if l.Rate != nil {
		kinds++
		checkRate(l.Rate, field(path, "rate"), p)
	}
	if l.Quota != nil {
		kinds++
		checkRange(l.Quota.Requests, policy.MaxQuota, field(path, "quota.requests"), p)
		oneOf(l.Quota.Per, field(path, "quota.per"), p, "day", "month")
	}
	if l.Concurrency != nil {
		kinds++
		checkRange(l.Concurrency.Requests, policy.MaxConcurrency, field(path, "concurrency.requests"), p)
	}
	if kinds != 1 {
		p.addf(0, path, "has %d of rate, quota and concurrency; give exactly one", kinds)
	}
}

func checkRate(r *Rate, path string, p *problems) {
	checkRange(r.Requests, policy.MaxRate, field(path, "requests"), p)
	oneOf(r.Per, field(path, "per"), p, "second", "minute", "hour")
	if r.Burst != 0 {
		checkRange(r.Burst, policy.MaxRate, field(path, "burst"), p)
	}
}

func checkRange(n, most int64, path string, p *problems) {
	if n < 1 || n > most {
		p.addf(0, path, "%d is out of range; give 1 to %d", n, most)
	}
}

// checkSelected checks a list that narrows something: absent it means all, so
// an empty one is a mistake.
func checkSelected(list []string, path string, p *problems) {
	if list != nil && len(list) == 0 {
		p.add(0, path, "is empty, which would select nothing; name some or leave the field out for all")
	}
	if len(list) > maxSelected {
		p.addf(0, path, "names more than %d; leave the field out for all", maxSelected)
		return
	}
	seen := make(map[string]bool, len(list))
	for i, name := range list {
		switch {
		case name == "":
			p.add(0, index(path, i), "is empty; name one")
		case seen[name]:
			p.addf(0, index(path, i), "%q stands twice; keep one", shortened(name))
		}
		seen[name] = true
	}
}

func checkPartner(s *PartnerSpec, p *problems) {
	checkText(s.Title, maxTitle, "spec.title", p)
	checkText(s.Support.Tier, maxTitle, "spec.support.tier", p)
	oneOf(s.State, "spec.state", p, StateActive, StateSuspended)
	if s.Support.Email != "" {
		checkEmail(s.Support.Email, "spec.support.email", p)
	}
	if len(s.Members) > maxMembers {
		p.addf(0, "spec.members", "names more than %d members; invite the others one by one", maxMembers)
	}
	seen := make(map[string]bool, len(s.Members))
	for i, m := range s.Members {
		path := index("spec.members", i)
		checkEmail(m.Email, field(path, "email"), p)
		oneOf(m.Role, field(path, "role"), p, RoleAdmin, RoleDeveloper, RoleViewer)
		if seen[m.Email] {
			p.addf(0, field(path, "email"), "%s stands twice; keep one", shortened(m.Email))
		}
		seen[m.Email] = true
	}
}

func checkEmail(email, path string, p *problems) {
	if problem := emailProblem(email); problem != "" {
		p.add(0, path, problem)
	}
}

// emailProblem accepts what a mail server might; it is no proof that the address exists.
func emailProblem(email string) string {
	local, domain, found := strings.Cut(email, "@")
	switch {
	case email == "":
		return "missing; give an e-mail address"
	case len(email) > 254 || !found || local == "" || len(local) > 64 || !isHost(strings.ToLower(domain)),
		strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),:;<>[\]`, r) }):
		return fmt.Sprintf("%q is no e-mail address; write it as name@example.test", shortened(email))
	}
	return ""
}

func checkSubscription(s *SubscriptionSpec, p *problems) {
	checkLabel(s.Product, "spec.product", p)
	checkLabel(s.Environment, "spec.environment", p)
	if s.Plan != "" || s.State != StateRequested && s.State != StateEnded { // who asks leaves the plan to the provider
		checkLabel(s.Plan, "spec.plan", p)
	}
	oneOf(s.State, "spec.state", p, StateRequested, StateActive, StateSuspended, StateEnded)
	checkSelected(s.Operations, "spec.operations", p)
	checkSelected(s.Applications, "spec.applications", p)
	if s.Overrides != nil {
		checkLimits(s.Overrides.Limits, "spec.overrides.limits", p)
	}
	if s.StartsAt != nil && s.EndsAt != nil && !s.StartsAt.Before(*s.EndsAt) {
		p.add(0, "spec.endsAt", "is not after startsAt; give a later time")
	}
}
