package envoyexamples

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/gateway"
)

// Hosts and people of the sample estate.
const (
	sandboxHost    = "sandbox.api.localhost"
	productionHost = "api.localhost"
	danaOfCobalt   = "dana@cobalt.example"
	noorOfDelta    = "noor@delta.example"
	password       = "a password of the tests"
)

// edge is the gateway under test: Envoy, or the embedded one.
type edge interface {
	Address() string
	Stop() error
}

// journey is a first day with Partnergate: the sample estate's two partners, then a third. Its steps build on each other.
type journey struct {
	*backend
	launch       func(*testing.T, *backend) edge
	edge         edge
	keys         map[string]*manager.NewKey // by partner/environment
	cobalt       *portalSession             // Dana's
	delta        *portalSession             // Noor's
	echo         *portalSession             // of the third partner, once it is there
	echoKey      string
	requests     int
	requestsLock sync.Mutex
	tally        tally
}

func TestJourneyThroughEnvoy(t *testing.T) {
	module(t)
	travel(t, func(t *testing.T, b *backend) edge {
		envoy, err := Launch(context.WithoutCancel(t.Context()), Options{Places: b.places(), EdgeToken: edgeToken})
		if err != nil {
			t.Fatal(err)
		}
		return envoy
	})
}

func TestJourneyThroughTheEmbeddedGateway(t *testing.T) {
	module(t)
	cache := t.TempDir()
	travel(t, func(t *testing.T, b *backend) edge {
		g, err := gateway.Start(context.WithoutCancel(t.Context()), gateway.Options{
			Listen: "127.0.0.1:0", ManagerURL: b.url(), EdgeToken: edgeToken, ModulesDir: filepath.Dir(modulePath), CacheDir: cache,
			Upstreams: []gateway.Upstream{{Prefix: "/", URL: b.payments.url()}, {Prefix: "/risk", URL: b.risk.url()}},
			NodeID:    "journey", Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return g
	})
}

func travel(t *testing.T, launch func(*testing.T, *backend) edge) {
	b, err := startBackend()
	if err != nil {
		t.Fatal(err)
	}
	j := &journey{backend: b, launch: launch, keys: map[string]*manager.NewKey{}}
	defer func() {
		if j.edge != nil {
			if err := j.edge.Stop(); err != nil {
				t.Error(err)
			}
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, step := range []struct {
		name string
		run  func(*journey, *testing.T)
	}{
		{"an estate is applied", (*journey).applyEstate},
		{"two logins show two catalogs", (*journey).showTwoCatalogs},
		{"each partner gets its products", (*journey).callProducts},
		{"a key works in its environment only", (*journey).callWrongEnvironment},
		{"each sees its own log", (*journey).readOwnLogs},
		{"a flood stops at the contract and hurts nobody else", (*journey).flood},
		{"a revoked key is refused", (*journey).revoke},
		{"a rotated key goes on for a while", (*journey).rotate},
		{"a partner and a subscription are suspended", (*journey).suspend},
		{"a product is deprecated and retired", (*journey).retire},
		{"the manager is killed under traffic", (*journey).killManager},
		{"a third partner is onboarded", (*journey).onboard},
		{"the gateway is restarted and the contract goes on", (*journey).restartEdge},
		{"usage is exact", func(j *journey, t *testing.T) { j.awaitUsage(t, &j.tally) }},
		{"no secret is kept", (*journey).keepNoSecrets},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(j, t) }) {
			t.FailNow() // the next steps build on it
		}
	}
}

// call makes one call through the edge and counts it for the partner that its key belongs to.
func (j *journey) call(t testing.TB, partner, key, host, method, path string, headers ...string) answer {
	t.Helper()
	a, _ := j.callMarked(t, partner, key, host, method, path, headers...)
	return a
}

// callMarked also returns the request id under which the call is logged. Where a lease was not there in time it calls again.
func (j *journey) callMarked(t testing.TB, partner, key, host, method, path string, headers ...string) (a answer, id string) {
	t.Helper()
	poll(t, "no lease comes for "+partner, func() bool {
		a, id = j.callOnce(t, partner, key, host, method, path, headers...)
		return a.outcome() != "limit_unavailable"
	})
	return a, id
}

func (j *journey) callOnce(t testing.TB, partner, key, host, method, path string, headers ...string) (answer, string) {
	t.Helper()
	j.requestsLock.Lock()
	j.requests++
	id := fmt.Sprintf("journey-%d", j.requests)
	j.requestsLock.Unlock()
	lines := append([]string{"x-request-id: " + id}, headers...)
	if key != "" {
		lines = append(lines, "x-api-key: "+key)
	}
	a, err := ask(j.edge.Address(), request{method: method, target: path, host: host, headers: lines})
	if err != nil {
		t.Fatal(err)
	}
	j.tally.add(partner, a.outcome())
	return a, id
}

// get calls with the partner's own key of an environment, on that environment's host.
func (j *journey) get(t testing.TB, partner, environment, path string) answer {
	t.Helper()
	host := sandboxHost
	if environment == "production" {
		host = productionHost
	}
	return j.call(t, partner, j.keys[partner+"/"+environment].Key, host, http.MethodGet, path)
}

// expect checks an outcome, and that the status fits.
func expect(t testing.TB, a answer, status int, outcome string) {
	t.Helper()
	if a.status != status || a.outcome() != outcome {
		t.Errorf("got %d %s, want %d %s\n%s", a.status, a.outcome(), status, outcome, a.body)
	}
}

// startEdge starts the gateway and returns when it decides by the version.
func (j *journey) startEdge(t *testing.T, version int64) {
	t.Helper()
	j.edge = j.launch(t, j.backend)
	poll(t, "the gateway has no policy", func() bool {
		a := j.call(t, "", "", sandboxHost, http.MethodGet, "/")
		p, _ := a.problem()
		return p.PolicyVersion >= version
	})
	poll(t, "the operator does not see the gateway", func() bool {
		proxies, err := j.Proxies(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(proxies) > 0 // before that nobody is waited for
	})
	j.awaitAcknowledged(t, version)
}

func (j *journey) applyEstate(t *testing.T) {
	j.applySample(t)
	for partner, email := range map[string]string{"cobalt": danaOfCobalt, "delta": noorOfDelta} {
		if err := j.SetPassword(t.Context(), partner, email, password); err != nil {
			t.Fatal(err)
		}
	}
	var version int64
	for partner, application := range map[string]string{"cobalt": "checkout", "delta": "ledger"} {
		for _, environment := range []string{"sandbox", "production"} {
			key := j.key(t, partner, application, environment)
			j.keys[partner+"/"+environment], version = key, max(version, key.PolicyVersion)
		}
	}
	j.startEdge(t, version)
	proxies, err := j.Proxies(t.Context())
	if err != nil || len(proxies) != 1 || proxies[0].PolicyVersion < version {
		t.Errorf("the operator sees the proxies %+v, %v; want one, with policy version %d", proxies, err, version)
	}
}

func (j *journey) showTwoCatalogs(t *testing.T) {
	j.cobalt = logIn(t, j.url(), danaOfCobalt, password)
	j.delta = logIn(t, j.url(), noorOfDelta, password)
	for _, environment := range []string{"sandbox", "production"} {
		cobalt, delta := products(j.cobalt.catalog(t, environment)), products(j.delta.catalog(t, environment))
		if cobalt != "payments" || delta != "payments risk" {
			t.Errorf("in %s the catalogs show %q and %q", environment, cobalt, delta)
		}
	}
	if page := j.cobalt.get(t, "/products"); strings.Contains(strings.ToLower(page), "risk") {
		t.Errorf("a page tells Cobalt of the risk feeds")
	}
	if a, b := j.cobalt.get(t, "/products/payments?environment=sandbox"), j.delta.get(t, "/products/payments?environment=sandbox"); !strings.Contains(a, "10,000") || strings.Contains(b, "10,000 ") || !strings.Contains(b, "1,000,000") {
		t.Errorf("the pages of one product do not show each partner its own limits")
	}
}

// products are the products of a catalog, in its order.
func products(catalog []operation) string {
	var list []string
	for _, o := range catalog {
		if len(list) == 0 || list[len(list)-1] != o.Product {
			list = append(list, o.Product)
		}
	}
	return strings.Join(list, " ")
}

func (j *journey) callProducts(t *testing.T) {
	expect(t, j.get(t, "cobalt", "sandbox", "/payments/charges"), 200, "admitted")
	expect(t, j.get(t, "delta", "sandbox", "/payments/charges"), 200, "admitted")
	expect(t, j.get(t, "delta", "sandbox", "/risk/feeds"), 200, "admitted")
	hidden, nonsense := j.get(t, "cobalt", "sandbox", "/risk/feeds"), j.get(t, "cobalt", "sandbox", "/no/such/thing")
	expect(t, hidden, 404, "operation_not_found")
	if a, b := withoutRequestID(hidden), withoutRequestID(nonsense); a != b {
		t.Errorf("what is another's differs from nonsense:\n%s\n%s", a, b)
	}
}

func withoutRequestID(a answer) string {
	p, _ := a.problem()
	return strings.ReplaceAll(a.body, p.RequestID, "…")
}

func (j *journey) callWrongEnvironment(t *testing.T) {
	a := j.call(t, "cobalt", j.keys["cobalt/sandbox"].Key, productionHost, http.MethodGet, "/payments/charges")
	expect(t, a, 403, "environment_mismatch")
}

// flood calls far more often than Cobalt's contract has it: 5 a second, with a burst of 10.
func (j *journey) flood(t *testing.T) {
	beside := startTraffic(j.edge.Address(), &j.tally, &lane{name: "Delta", partner: "delta", want: "admitted", request: request{
		method: http.MethodGet, target: "/payments/charges", host: sandboxHost, headers: []string{"x-api-key: " + j.keys["delta/sandbox"].Key}}})
	start, admitted := time.Now(), int64(0)
	before := j.tally.of("cobalt", "admitted")
	for range 150 {
		a := j.get(t, "cobalt", "sandbox", "/payments/charges")
		if a.status == http.StatusOK {
			admitted++
			continue
		}
		expect(t, a, 429, "limit_exceeded")
		if p, _ := a.problem(); p.Limit != "throughput" {
			t.Fatalf("it does not name the limit: %s", a.body)
		}
		for name, part := range map[string]string{"Retry-After": "1", "RateLimit": `"throughput";r=0`, "RateLimit-Policy": `"throughput";q=5;w=1`} {
			if !strings.Contains(a.header.Get(name), part) {
				t.Fatalf("%s is %q, want %q in it", name, a.header.Get(name), part)
			}
		}
	}
	most := 10 + int64(time.Since(start)*5/time.Second) + 1
	if admitted > most || admitted == 0 {
		t.Errorf("%d calls were admitted in %s (%d before), and the contract has at most %d", admitted, time.Since(start), before, most)
	}
	beside.more(t, 5)
	beside.stop(t)
	if j.tally.of("delta", "limit_exceeded") > 0 {
		t.Errorf("Delta was refused for Cobalt's flood")
	}
}

func (j *journey) readOwnLogs(t *testing.T) {
	_, ofCobalt := j.callMarked(t, "cobalt", j.keys["cobalt/production"].Key, productionHost, http.MethodGet, "/payments/charges/ch_1?secret=1")
	_, ofDelta := j.callMarked(t, "delta", j.keys["delta/production"].Key, productionHost, http.MethodGet, "/risk/feeds")
	if entry := j.awaitLogged(t, ofCobalt); entry.Path != "/payments/charges/ch_1" || entry.Operation != "getCharge" || entry.Partner != "cobalt" || entry.Status != 200 {
		t.Errorf("the operator's log has %+v", entry)
	}
	j.awaitLogged(t, ofDelta)
	if !j.cobalt.logged(t, ofCobalt) || j.cobalt.logged(t, ofDelta) {
		t.Errorf("Dana's log lacks Cobalt's call, or shows Delta's")
	}
	if !j.delta.logged(t, ofDelta) || j.delta.logged(t, ofCobalt) {
		t.Errorf("Noor's log lacks Delta's call, or shows Cobalt's")
	}
	var page string
	poll(t, "Dana's usage lacks Cobalt's first calls", func() bool { // another worker may have counted them, and tell of them later
		page = j.cobalt.get(t, "/usage")
		return strings.Contains(page, "listCharges")
	})
	if strings.Contains(page, "listFeeds") {
		t.Errorf("Dana's usage shows Delta's calls")
	}
}

func (j *journey) keepNoSecrets(t *testing.T) {
	secrets := []string{password, j.echoKey}
	for _, key := range j.keys {
		secrets = append(secrets, key.Key)
	}
	checkSecrets(t, j.backend, secrets...)
}
