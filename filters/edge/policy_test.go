package edge_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/testharness"
)

var (
	limitVerdict   = corpus.Verdict{Status: 429, Code: "limit_exceeded"}
	servedVerdict  = corpus.Verdict{Status: 200}
	revokedVerdict = corpus.Verdict{Status: 401, Code: "credential_revoked"}
)

func good() *http.Request { return request("GET", sandboxHost, "/v1/pay", "x-api-key", acmeKey) }

// revoked is the estate with acme's key revoked.
func revoked(version uint64) *policy.Source {
	source := estate(version)
	for i := range source.Credentials {
		if source.Credentials[i].Digest == policy.KeyDigest(acmeKey) {
			source.Credentials[i].RevokedAt = 1
		}
	}
	return source
}

func TestNoPolicyRefuses(t *testing.T) {
	p := start(t, proxyWith(1, newStub(nil), combined(configuration)...))
	check(t, p, "no policy", good(), corpus.Verdict{Status: 503, Code: "policy_unavailable"})
	check(t, p, "an odd path comes first", request("GET", sandboxHost, "//v1/pay"), corpus.Verdict{Status: 400, Code: "path_not_canonical"})
}

// TestEveryWorkerSwaps revokes a key and finds it refused by each of the
// workers at once, and the manager told so.
func TestEveryWorkerSwaps(t *testing.T) {
	for way, filters := range ways(configuration) {
		t.Run(way, func(t *testing.T) {
			stub := newStub(estate(1))
			p := start(t, proxyWith(4, stub, filters...))
			ready(t, p, 1)
			for worker := range 4 {
				checkOn(t, p, worker, good(), servedVerdict)
			}
			p.Advance(time.Second)
			changed := p.Clock().Now()
			stub.publish(revoked(2))
			await(t, p, func() bool { return version(p) == 2 })
			p.Advance(200 * time.Millisecond)
			for worker := range 4 {
				checkOn(t, p, worker, good(), revokedVerdict)
			}
			p.Advance(200 * time.Millisecond)
			if told := stub.toldVersion(); told != 2 {
				t.Errorf("%v after the change the manager knows of version %d", p.Clock().Now().Sub(changed), told)
			}
		})
	}
}

func version(p *testharness.Proxy) uint64 {
	v, _ := p.Metric("partnergate_policy_version")
	return v
}

func checkOn(t *testing.T, p *testharness.Proxy, worker int, r *http.Request, want corpus.Verdict) {
	t.Helper()
	response, err := p.DoOn(worker, r)
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, response)
	if got.StatusCode != want.Status || got.code() != want.Code {
		t.Errorf("worker %d: %d %q, want %d %q", worker, got.StatusCode, got.code(), want.Status, want.Code)
	}
}

// toldVersion is the policy version of the last batch.
func (m *managerStub) toldVersion() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.syncs) == 0 {
		return 0
	}
	return m.syncs[len(m.syncs)-1].PolicyVersion
}

// TestBadPoliciesChangeNothing serves policies that are wrong, each in its way:
// the last good one stays, and a metric rises.
func TestBadPoliciesChangeNothing(t *testing.T) {
	next := func(change func(*policy.Source)) *policy.Built {
		source := revoked(6)
		change(source)
		built, err := policy.Build(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		return built
	}
	plain := next(func(*policy.Source) {})
	flipped := func(text string, at int) string { return text[:at] + string(text[at]^1) + text[at+1:] }
	spoiled := func(change func(string) string) map[[32]byte]string {
		parts := map[[32]byte]string{}
		for digest, part := range plain.Parts {
			parts[digest] = change(part)
		}
		return parts
	}
	limit := func(requests uint64) *policy.Built {
		return next(func(s *policy.Source) {
			s.Plans[0].Limits = []policy.SourceLimit{{Name: "x", Kind: policy.QuotaPerDay, Requests: requests}}
		})
	}
	twoPartners := twoPartnersWithOneKey(t)
	schema := []byte(plain.Manifest)
	schema[4] = 99
	empty := &policy.Source{Lineage: [16]byte{1}, Version: 6, Time: 1}
	emptied, err := policy.Build(empty, nil)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, manifest string
		parts          map[[32]byte]string
		reason         string
	}{
		{"a truncated manifest", plain.Manifest[:len(plain.Manifest)-40], plain.Parts, "digest"},
		{"a manifest of a few bytes", plain.Manifest[:10], plain.Parts, "truncated"},
		{"a changed manifest", flipped(plain.Manifest, 50), plain.Parts, "digest"},
		{"an older version", next(func(s *policy.Source) { s.Version = 4 }).Manifest, nil, "older"},
		{"an unknown schema", string(schema), plain.Parts, "schema"},
		{"5 MB of noise", strings.Repeat("noise", 1<<20), nil, "malformed"},
		{"a clock in the future", next(func(s *policy.Source) { s.Time = 1 << 50 }).Manifest, plain.Parts, "future"},
		{"emptiness that nobody asked for", emptied.Manifest, emptied.Parts, "empty"},
		{"a wrong digest", plain.Manifest, spoiled(func(part string) string { return flipped(part, len(part)/2) }), "digest"},
		{"truncated parts", plain.Manifest, spoiled(func(part string) string { return part[:len(part)-1] }), "digest"},
		{"limit −1", limit(1<<64 - 1).Manifest, limit(1<<64 - 1).Parts, "malformed"},
		{"limit 2⁶³", limit(1 << 63).Manifest, limit(1 << 63).Parts, "malformed"},
		{"two partners with one key", twoPartners.Manifest, twoPartners.Parts, "duplicate"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stub := newStub(estate(5))
			p := start(t, proxyWith(2, stub, combined(configuration)...))
			ready(t, p, 5)
			stub.serveOnly(c.manifest, c.parts)
			metric := "partnergate_policy_rejected;.reason=" + c.reason + ".;"
			eventually(t, p, func() bool { n, _ := p.Metric(metric); return n > 0 })
			for worker := range 2 {
				checkOn(t, p, worker, good(), servedVerdict)
			}
			stub.publish(revoked(7))
			eventually(t, p, func() bool { return version(p) == 7 })
			p.Advance(200 * time.Millisecond)
			checkOn(t, p, 0, good(), revokedVerdict)
			if p.Failures() != 0 || p.Reloads() != 0 {
				t.Errorf("%d VMs failed, %d were reloaded", p.Failures(), p.Reloads())
			}
		})
	}
}

// twoPartnersWithOneKey forges a policy that no compiler makes.
func twoPartnersWithOneKey(t *testing.T) *policy.Built {
	t.Helper()
	const head, index = 16, 12
	record := func(partner string) (built *policy.Built, part string) {
		source := estate(6)
		source.Credentials = source.Credentials[:1]
		source.Credentials[0].Partner = partner
		built, err := policy.Build(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range built.Parts {
			if policy.Table(part[5]) == policy.TableCredentials {
				return built, part
			}
		}
		t.Fatal("no credentials were compiled")
		return nil, ""
	}
	built, one := record("acme")
	_, other := record("globex")
	first, second := one[head+index:], other[head+index:]
	offset := func(n int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
	key := one[head : head+8]
	both := one[:head-4] + offset(2) + key + offset(head+2*index) + key + offset(head+2*index+len(first)) + first + second
	before, after := policy.Digest(one), policy.Digest(both)
	body := built.Manifest[:len(built.Manifest)-32]
	body = strings.Replace(body, offset(len(one))+string(before[:]), offset(len(both))+string(after[:]), 1)
	sum := policy.Digest(body)
	built.Manifest = body + string(sum[:])
	built.Parts[after] = both
	return built
}

// serveOnly makes these bytes the policy, and forgets the parts of others.
func (m *managerStub) serveOnly(manifest string, parts map[[32]byte]string) {
	m.mu.Lock()
	m.parts = map[[32]byte]string{}
	m.mu.Unlock()
	m.serve(manifest, parts)
}

// TestWrongAnswersChangeNothing has something else answer in the manager's place.
func TestWrongAnswersChangeNothing(t *testing.T) {
	html := func(status int, contentType string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<!doctype html><title>Sign in to the network</title>")
			return true
		}
	}
	cases := map[string]func(http.ResponseWriter, *http.Request) bool{
		"HTML with status 200":      html(200, "text/html"),
		"HTML that says it is ours": html(200, "application/octet-stream"),
		"an error":                  html(502, "text/html"),
		"a refusal":                 html(401, "application/problem+json"),
		"a redirect":                html(302, "text/html"),
		"nothing": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/octet-stream")
			return true
		},
		"a message of another version": func(w http.ResponseWriter, _ *http.Request) bool { return octets(w, 9, 2, 0, 0, 0, 0, 0) },
		"a message of another kind":    func(w http.ResponseWriter, _ *http.Request) bool { return octets(w, wire.Version, 5, 0, 0, 0, 0, 0) },
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			stub := newStub(estate(1))
			p := start(t, proxyWith(2, stub, combined(configuration)...))
			ready(t, p, 1)
			stub.intercept(answer)
			stub.publish(revoked(2)) // ends the watch under way, which the intercept does not touch
			eventually(t, p, func() bool { n, _ := p.Metric("partnergate_watch_failures"); return n > 0 || version(p) == 2 })
			for range 20 {
				p.Advance(time.Second)
				do(t, p, good())
			}
			if n, _ := p.Metric("partnergate_watch_failures"); n == 0 || p.Failures() != 0 {
				t.Errorf("%d watches failed, %d VMs did", n, p.Failures())
			}
			stub.intercept(nil)
			stub.publish(estate(3))
			eventually(t, p, func() bool { return version(p) == 3 })
			takes(p, time.Minute, func() bool { return total(stub.usage()) >= 20 })
			p.Advance(3 * time.Second)
			if usage := stub.usage(); total(usage) != 20 || usage["acme admitted"]+usage["acme credential_revoked"] != 20 {
				t.Errorf("counted %v, want 20 requests of acme's", usage)
			}
		})
	}
}

func octets(w http.ResponseWriter, octets ...byte) bool {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = io.Copy(w, bytes.NewReader(octets))
	return true
}

// TestManagerAwayUntilTooOld goes on deciding without the manager, until max_stale.
func TestManagerAwayUntilTooOld(t *testing.T) {
	stale := `{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}, "max_stale": "1h"}`
	var away atomic.Bool
	stub := newStub(estate(1))
	manager := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		stub.ServeHTTP(w, r)
	})
	p := start(t, proxyWith(2, manager, filter("partnergate", stale)).WithLongPolls(func(r *http.Request) bool { return isWatch(r) && !away.Load() }))
	ready(t, p, 1)
	away.Store(true)
	p.Advance(59 * time.Minute)
	checkOn(t, p, 0, good(), servedVerdict)
	p.Advance(2 * time.Minute)
	for worker := range 2 {
		checkOn(t, p, worker, good(), corpus.Verdict{Status: 503, Code: "policy_stale"})
	}
	if age, _ := p.Metric("partnergate_policy_age_seconds"); age < 3600 || age > 3700 {
		t.Errorf("partnergate_policy_age_seconds is %d", age)
	}
}

// TestShortMaxStale asks the manager to confirm the policy well before it counts as too old.
func TestShortMaxStale(t *testing.T) {
	for maxStale, want := range map[string]uint32{"24h": 0, "75s": 0, "30s": 10_000, "2s": 666} {
		t.Run(maxStale, func(t *testing.T) {
			config := `{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}, "max_stale": "` + maxStale + `"}`
			stub := newStub(estate(1))
			var wait atomic.Uint32
			stub.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
				if isWatch(r) {
					if m, err := wire.ParseWatch(stub.body(r)); err != nil {
						t.Error(err)
					} else {
						wait.Store(m.Wait)
					}
				}
				return false
			})
			p := start(t, proxyWith(1, stub, filter("partnergate", config)))
			ready(t, p, 1)
			if got := wait.Load(); got != want {
				t.Errorf("asked for an answer within %d ms, want %d", got, want)
			}
		})
	}
}

// TestLargePolicyComesInSteps loads a policy of many parts while requests are
// served, also where the VM that talks to the manager serves some.
func TestLargePolicyComesInSteps(t *testing.T) {
	t.Run("the main thread's VM leads", func(t *testing.T) { checkSteps(t, func(*testharness.Proxy) {}) })
	t.Run("a worker's VM leads", func(t *testing.T) {
		checkSteps(t, func(p *testharness.Proxy) {
			trap(t, p, testharness.MainThread)
			if _, ok := takes(p, 5*time.Second, func() bool { return metric(p, "partnergate_leader_changes") == 2 }); !ok {
				t.Fatal("nobody led within 5 s")
			}
		})
	})
}

func checkSteps(t *testing.T, prepare func(*testharness.Proxy)) {
	source, bytes, largest := estate(2), 0, 0
	for i := range 20_000 {
		key := policy.Digest(string(rune(i)) + "key")
		source.Credentials = append(source.Credentials, policy.SourceCredential{
			Kind: policy.APIKey, Digest: key, ID: "aaaaaaaaaaaa", Partner: "acme", Application: "checkout", Environment: "sandbox",
		})
	}
	manifest := compile(t, source).Manifest()
	for i := range manifest.Len() {
		size := int(manifest.Entry(i).Size)
		bytes, largest = bytes+size, max(largest, size)
	}
	stub := newStub(estate(1))
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	for worker := range 2 {
		checkOn(t, p, worker, good(), servedVerdict)
	}
	prepare(p)
	const steps = "partnergate_policy_step_microseconds"
	before := len(p.Samples(steps))
	stub.publish(source)
	eventually(t, p, func() bool { return version(p) == 2 })
	for range 20 {
		p.Advance(50 * time.Millisecond)
		checkOn(t, p, 0, good(), servedVerdict)
	}
	for worker := range 2 {
		response, err := p.DoOn(worker, good())
		if err != nil {
			t.Fatal(err)
		}
		if v := p.FilterState(response)["wasm.partnergate.policy_version"]; v != "2" {
			t.Errorf("worker %d decides by version %s", worker, v)
		}
	}
	// Two VMs that serve take all of it over, in steps of less than 64 kB and a part.
	if n, least := len(p.Samples(steps))-before, 2*bytes/(64<<10+largest); n < least {
		t.Errorf("%d bytes came in %d steps, want at least %d", bytes, n, least)
	}
}
