package envoyexamples

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/partnergate/partnergate/manager/documents"
)

const limitsHost = "limits.localhost"

// opalQuota is how many requests a month Opal has: a partner that only this test has, so that its contract is spent to the last.
const opalQuota = 40

// opals counts the runs of the test, each of which has an Opal of its own.
var opals int

// opal is the estate of an Opal, by its name.
const opal = `
{apiVersion: partnergate.dev/v1alpha1, kind: Plan, metadata: {name: opal}, spec: {limits: [{name: monthly, quota: {requests: 40, per: month}}]}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Partner, metadata: {name: %[1]s}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Application, metadata: {name: app, partner: %[1]s}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Subscription, metadata: {name: api, partner: %[1]s}, spec: {product: api, environment: production, plan: opal}}
`

// quotaOnlyRun is the example quota-only with its estate and Opal, and who has called.
type quotaOnlyRun struct {
	*backend
	envoy *tappedEnvoy
	opal  string
	keys  map[string]string // by partner
	tally tally
}

// TestQuotaOnly lets partners call whatever there is, spends the contract of one from many connections at once, at both workers,
// while another is served, and finds every call in the usage.
func TestQuotaOnly(t *testing.T) {
	module(t)
	r := startQuotaOnly(t)
	r.everything(t)
	r.spend(t)
	a := r.call(t, r.opal, http.MethodGet, "/more")
	expect(t, a, http.StatusTooManyRequests, "limit_exceeded")
	if p, _ := a.problem(); p.Limit != "monthly" || a.header.Get("Retry-After") == "" || !strings.Contains(a.header.Get("RateLimit-Policy"), `"monthly"`) {
		t.Errorf("the refusal names the limit %q, with %v", p.Limit, a.header)
	}
	r.bothWorkersServed(t)
	r.awaitUsage(t, &r.tally, "maple", "quartz", r.opal)
	noReloads(t, r.envoy.Envoy)
}

func startQuotaOnly(t *testing.T) *quotaOnlyRun {
	t.Helper()
	opals++
	r := &quotaOnlyRun{backend: sharedBackend.get(t), keys: map[string]string{}, opal: fmt.Sprintf("opal-%d", opals)}
	r.tally.counts = r.usage(t)
	estate, err := documents.ReadFolder(QuotaOnlyEstate, "quota-only/estate")
	if err != nil {
		t.Fatal(err)
	}
	r.apply(t, documents.Resources(estate)...)
	version, err := r.applyYAML(t.Context(), fmt.Sprintf(opal, r.opal))
	if err != nil {
		t.Fatal(err)
	}
	for partner, application := range map[string]string{"maple": "booking", "quartz": "tracking", r.opal: "app"} {
		key := r.key(t, partner, application, "production")
		r.keys[partner], version = key.Key, max(version, key.PolicyVersion)
	}
	r.envoy = sharedEdges["quota-only"].get(t)
	r.awaitPolicy(t, version, r.envoy.Address())
	return r
}

// call makes a call with a partner's key, over a connection of its own, and counts it.
func (r *quotaOnlyRun) call(t testing.TB, partner, method, target string) answer {
	t.Helper()
	q := request{method: method, target: target, host: limitsHost, headers: []string{"x-api-key: " + r.keys[partner]}}
	a, err := askPatiently(r.envoy.Address(), q, func(a answer) { r.tally.add(partner, a.outcome()) })
	if err != nil {
		t.Error(err)
	}
	return a
}

// everything is let through, to eight segments; and nothing that is nobody's.
func (r *quotaOnlyRun) everything(t *testing.T) {
	t.Helper()
	for _, c := range []struct{ method, target string }{
		{http.MethodGet, "/"}, {http.MethodGet, "/payments/charges?page=2"}, {http.MethodPost, "/x"}, {http.MethodDelete, "/a/b/c/"},
		{http.MethodPatch, "/a/b"}, {http.MethodPut, "/1/2/3/4/5/6/7/8/"}, {http.MethodOptions, "/risk"},
	} {
		expect(t, r.call(t, "quartz", c.method, c.target), http.StatusOK, "admitted")
	}
	expect(t, r.call(t, "maple", http.MethodGet, "/1/2/3/4/5/6/7/8/9"), http.StatusNotFound, "operation_not_found")
	nobodys := func(target, key string, status int, code string) {
		t.Helper()
		a, err := ask(r.envoy.Address(), request{method: http.MethodGet, target: target, host: limitsHost, headers: []string{"x-api-key: " + key}})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, a, status, code)
	}
	nobodys("/a//b", r.keys["maple"], http.StatusBadRequest, "path_not_canonical") // before anybody asks whose it is
	nobodys("/", unissuedKey(), http.StatusUnauthorized, "credential_unknown")
}

// spend calls for Opal more often than its contract has, and for Quartz in between.
func (r *quotaOnlyRun) spend(t *testing.T) {
	t.Helper()
	const lanes, calls = 6, 15
	var group sync.WaitGroup
	for lane := range lanes {
		group.Go(func() {
			for n := range calls {
				r.call(t, r.opal, http.MethodGet, fmt.Sprintf("/orders/%d/%d", lane, n))
				if a := r.call(t, "quartz", http.MethodGet, "/orders"); a.outcome() != "admitted" {
					t.Errorf("Quartz, while Opal spends its contract: %d %s", a.status, a.body)
				}
			}
		})
	}
	group.Wait()
	if admitted, refused := r.tally.of(r.opal, "admitted"), r.tally.of(r.opal, "limit_exceeded"); admitted != opalQuota || refused != lanes*calls-opalQuota {
		t.Errorf("%v, want %d of Opal's admitted and its others refused", r.tally.all(), opalQuota)
	}
}

var workerConnections = regexp.MustCompile(`(?m)worker_(\d)\.downstream_cx_total: [1-9]`)

// bothWorkersServed looks whether both workers took connections: else a limit that each counts for itself would have held too.
func (r *quotaOnlyRun) bothWorkersServed(t *testing.T) {
	t.Helper()
	stats, err := r.envoy.Admin(t.Context(), `/stats?filter=worker_.\.downstream_cx_total`)
	if err != nil {
		t.Fatal(err)
	}
	workers := map[string]bool{}
	for _, found := range workerConnections.FindAllSubmatch(stats, -1) {
		workers[string(found[1])] = true
	}
	if len(workers) != 2 {
		t.Errorf("connections went to %d workers, want 2:\n%s", len(workers), stats)
	}
}
