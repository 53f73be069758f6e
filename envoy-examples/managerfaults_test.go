package envoyexamples

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager/client"
)

// managerFault is one way in which a manager goes wrong.
type managerFault struct {
	name, done     string
	answer         faultyAnswer
	metric, reason string // that name it
}

const (
	refused  = "partnergate_manager_refused"
	rejected = "partnergate_policy_rejected"

	binaryType = "application/octet-stream"
	page       = "<!doctype html><title>Sign in to the network</title>"
)

func managerFaults(older []byte) []managerFault {
	return []managerFault{
		{"slow", "no answer until the proxy gives up", (*interposed).hang, refused, "unreachable"},
		{"slow in the body", "head and some bytes, then nothing", (*interposed).hangInBody, refused, "unreachable"},
		{"reset", "connections are broken off before an answer", (*interposed).reset, refused, "unreachable"},
		{"broken off in the body", "half the bytes that the head promises, then a reset", (*interposed).resetInBody, refused, "unreachable"},
		{"out of order", "status 500", say(500, "text/plain", "out of order"), refused, "other"},
		{"refuses the token", "status 401", say(401, "application/problem+json", "{}"), refused, "token"},
		{"a page", "HTML with status 200", say(200, "text/html", page), refused, "foreign"},
		{"a page of our type", "HTML with status 200 and the manager's content-type", say(200, binaryType, page), rejected, "malformed"},
		{"nothing", "an empty answer with status 200", say(200, binaryType, ""), rejected, "malformed"},
		{"noise", "5 MB of it", say(200, binaryType, noise(5<<20)), rejected, "malformed"},
		{"answers cut short", "half of each answer, ended well", altered("", func(body []byte) []byte { return body[:len(body)/2] }), rejected, "malformed"},
		{"answers with more", "each answer twice in one", altered("", func(body []byte) []byte { return append(body, body...) }), rejected, "malformed"},
		{"a wrong digest", "one bit of the parts of the policy changed", altered(wire.PartsPath, func(body []byte) []byte { body[len(body)-1] ^= 1; return body }), rejected, "digest"},
		{"an older policy", "a version before the one held in answer to each watch", altered(wire.WatchPath, func([]byte) []byte { return older }), rejected, "older"},
	}
}

// faulted is an Envoy whose manager can be made to go wrong, alone at a backend of its own, so that all usage is its.
type faulted struct {
	backend *backend
	between *interposer
	envoy   *Envoy
	keys    map[string]string
	tally   tally
}

func startFaulted(t *testing.T) *faulted {
	t.Helper()
	module(t)
	b := started(t, startBackend, (*backend).stop)
	f := &faulted{backend: b, between: startInterposer(t, b.url())}
	places := b.places()
	places.Manager = f.between.port()
	f.envoy = startEnvoy(t, Options{EdgeToken: edgeToken, Places: places})
	var version int64
	f.keys, version = corpusKeys(t, b)
	b.awaitPolicy(t, version, f.envoy.Address())
	return f
}

// outcome calls with a key and counts the answer for its partner, unless the key is nobody's.
func (f *faulted) outcome(t *testing.T, partner, key string) string {
	t.Helper()
	a, err := ask(f.envoy.Address(), request{method: http.MethodGet, target: "/v1/pay", host: corpus.SandboxHost, headers: []string{"x-api-key: " + key}})
	if err != nil {
		t.Fatal(err)
	}
	if a.outcome() != "credential_unknown" {
		f.tally.add(partner, a.outcome())
	}
	return a.outcome()
}

var faultedPartners = []string{"acme", "globex", "initech", "hooli"}

// TestManagerFaults brings each fault about in answer to every call of the proxy, while there is news that it must not hear half of: no
// decision changes, the fault's metric rises, and when it is over the newest policy counts, and each request once.
func TestManagerFaults(t *testing.T) {
	f := startFaulted(t)
	proxy, err := client.New(f.backend.url(), edgeToken)
	if err != nil {
		t.Fatal(err)
	}
	old, err := proxy.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.backend.awaitPolicy(t, f.backend.key(t, "acme", "app", "sandbox").PolicyVersion, f.envoy.Address())
	faults := managerFaults((&wire.WatchReply{Manifest: old.Manifest().Raw()}).Append(nil))
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) { f.bringAbout(t, fault) })
	}
	f.backend.awaitUsage(t, &f.tally, faultedPartners...)
	noReloads(t, f.envoy)
	for _, fault := range faults {
		reliability.Record(t, reliability.Row{
			Fault:    "Envoy, its manager: " + fault.name,
			Done:     fault.done + ", until the metric rises; a new key meanwhile",
			Promised: fmt.Sprintf("no decision changes at any worker; `%s`, reason `%s`; afterwards the newest policy, and all usage once", fault.metric, fault.reason),
			Seen:     fmt.Sprintf("%d calls with %d keys decided as before, all counted once; 0 VMs failed", len(decided)*atEveryWorker, len(decided)),
		})
	}
	f.followAnother(t)
}

// decided is what each key of the corpus gets, whatever becomes of the manager: partner, key, outcome.
var decided = [][3]string{
	{"acme", "acme", "admitted"}, {"globex", "globex", "operation_not_found"}, {"initech", "initech", "partner_suspended"},
	{"hooli", "hooli", "subscription_suspended"}, {"acme", "acme-revoked", "credential_revoked"}, {"", "unissued", "credential_unknown"},
}

// atEveryWorker is how many calls, each on a connection of its own, come to each of two workers.
const atEveryWorker = 6

func (f *faulted) bringAbout(t *testing.T, fault managerFault) {
	before := f.count(t, fault)
	f.between.say(fault.answer)
	made := f.backend.key(t, "acme", "app", "sandbox")
	poll(t, "the metric of the fault does not rise", func() bool { return f.count(t, fault) > before })
	for _, d := range decided {
		for range atEveryWorker {
			if got := f.outcome(t, d[0], f.keys[d[1]]); got != d[2] {
				t.Errorf("the key %s gets %s, want %s", d[1], got, d[2])
			}
		}
	}
	if got := f.outcome(t, "acme", made.Key); got != "credential_unknown" {
		t.Errorf("the new key gets %s, although the proxy cannot know it", got)
	}
	f.between.say(nil)
	poll(t, "the newest policy does not count again", func() bool { return f.outcome(t, "acme", made.Key) == "admitted" })
}

// count is the value of a fault's metric.
func (f *faulted) count(t *testing.T, fault managerFault) int {
	t.Helper()
	return f.stat(t, fault.metric+";.reason="+fault.reason+".;")
}

// stat is the value of a metric of the filters; 0 where there is none yet.
func (f *faulted) stat(t *testing.T, name string) int {
	t.Helper()
	stats, err := f.envoy.Admin(t.Context(), "/stats?filter=partnergate_")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(stats)) {
		metric, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if strings.HasSuffix(metric, name) {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return n
		}
	}
	return 0
}

// followAnother puts a manager with another store in the place of the first, as after a restore, and back.
func (f *faulted) followAnother(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	other := started(t, func() (*managerProcess, error) { return startManager(dir) }, (*managerProcess).stop)
	keys, version := corpusKeys(t, &backend{managerProcess: other})
	if held := f.stat(t, "partnergate_policy_version"); int64(held) <= version {
		t.Fatalf("the proxy holds version %d, and the other store has %d: it must be lower", held, version)
	}
	f.between.to(other.url())
	poll(t, "the other store's policy does not count", func() bool { return f.outcome(t, "acme", keys["acme"]) == "admitted" })
	poll(t, "no metric tells of the other store's version", func() bool { return int64(f.stat(t, "partnergate_policy_version")) == version })
	f.between.to(f.backend.url())
	poll(t, "the first store's policy does not count again", func() bool { return f.outcome(t, "acme", f.keys["acme"]) == "admitted" })
	noReloads(t, f.envoy)
	reliability.Record(t, reliability.Row{
		Fault:    "Envoy, its manager: another lineage",
		Done:     "a manager with another store and a lower version in its place, as after a restore; then the first again",
		Promised: "it is followed, there and back: versions of two stores say nothing of one another; `partnergate_policy_version`",
		Seen:     "the other store's key admitted, then the first's",
	})
}
