package envoyexamples

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/wire"
)

// TestBadAnswersOfTheManagerChangeNothing puts all kinds of nonsense in the place of the manager's answers: no decision changes, a
// metric says so, and once the manager can be heard again its newest policy counts.
func TestBadAnswersOfTheManagerChangeNothing(t *testing.T) {
	module(t)
	b := sharedBackend.get(t)
	keys, version := corpusKeys(t, b)
	between := startInterposer(t, b)
	envoy, err := Launch(t.Context(), Options{EdgeToken: edgeToken,
		Places: Places{Manager: between.port(), Payments: b.payments.port(), Risk: b.risk.port(), Module: modulePath}})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, envoy)
	b.awaitPolicy(t, version, envoy.Address())
	outcome := func(key string) string {
		a, err := ask(envoy.Address(), request{method: http.MethodGet, target: "/v1/pay", host: corpus.SandboxHost, headers: []string{"x-api-key: " + key}})
		if err != nil {
			t.Fatal(err)
		}
		return a.outcome()
	}
	for _, n := range nonsense {
		t.Run(n.name, func(t *testing.T) {
			before := failures(t, envoy)
			between.say(n.answer)
			made := b.key(t, "acme", "app", "sandbox") // so that there is news that the proxy must not hear
			between.awaitSaid(t, 2)
			poll(t, "no metric tells of it", func() bool { return failures(t, envoy) > before })
			for key, want := range map[string]string{"acme": "admitted", "globex": "operation_not_found", "initech": "partner_suspended",
				"hooli": "subscription_suspended", "acme-revoked": "credential_revoked", "unissued": "credential_unknown"} {
				for range 6 { // at every worker
					if got := outcome(keys[key]); got != want {
						t.Errorf("the key %s gets %s, want %s", key, got, want)
					}
				}
			}
			between.say(nil)
			poll(t, "the newest policy does not count again", func() bool { return outcome(made.Key) == "admitted" })
		})
	}
	metrics, err := envoy.Admin(t.Context(), "/stats/prometheus?filter=partnergate_policy_rejected")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"digest", "malformed"} {
		if !hasSeries(string(metrics), "partnergate_policy_rejected", []string{`reason="` + reason + `"`}) {
			t.Errorf("Envoy's metrics do not say that something was rejected for its %s:\n%s", reason, metrics)
		}
	}
	noReloads(t, envoy)
	reliability.Record(t, reliability.Row{
		Fault:    "Envoy: wrong answers in the manager's place",
		Done:     "HTML with status 200 and as binary, an error, a refused token, nothing, 5 MB of noise, an answer cut short, doubled, with one bit changed; a new key made meanwhile",
		Promised: "no decision of six keys changes at any worker; `partnergate_watch_failures` or `partnergate_policy_rejected`; the newest policy once the manager is heard again",
		Seen:     fmt.Sprintf("%d kinds, 36 calls each decided as before; 0 VMs failed", len(nonsense)),
	})
}

// failures counts what the filters could not use of the manager's answers.
func failures(t *testing.T, envoy *Envoy) (n int) {
	t.Helper()
	stats, err := envoy.Admin(t.Context(), "/stats?filter=partnergate_(watch_failures|policy_rejected)")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(stats)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		count, err := strconv.Atoi(value)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		n += count
	}
	return n
}

// bad writes something else than the manager's answer, which it may use.
type bad func(w http.ResponseWriter, manager *httptest.ResponseRecorder)

const binaryType = "application/octet-stream"

func say(status int, contentType, body string) bad {
	return func(w http.ResponseWriter, _ *httptest.ResponseRecorder) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // Envoy may have heard enough
	}
}

func altered(change func([]byte) []byte) bad {
	return func(w http.ResponseWriter, manager *httptest.ResponseRecorder) {
		body := change(bytes.Clone(manager.Body.Bytes()))
		say(manager.Code, manager.Header().Get("Content-Type"), string(body))(w, nil)
	}
}

func noise(size int) string {
	random := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

var nonsense = []struct {
	name   string
	answer bad
}{
	{"HTML with status 200", say(200, "text/html", "<html><body>Please log in</body></html>")},
	{"HTML that says it is binary", say(200, binaryType, "<html><body>Please log in</body></html>")},
	{"an error", say(500, "text/plain", "out of order")},
	{"a refused token", say(401, "application/problem+json", "{}")},
	{"nothing", say(200, binaryType, "")},
	{"5 MB of noise", say(200, binaryType, noise(5<<20))},
	{"an answer cut short", altered(func(body []byte) []byte { return body[:len(body)/2] })},
	{"an answer and more", altered(func(body []byte) []byte { return append(body, body...) })},
	{"an answer with one bit changed", altered(func(body []byte) []byte { body[len(body)-1] ^= 1; return body })},
}

// interposer stands between Envoy and the manager.
type interposer struct {
	*httptest.Server
	manager string
	lock    sync.Mutex
	answer  bad
	said    int
	cancel  context.CancelFunc // ends what is under way
	under   context.Context
}

func startInterposer(t *testing.T, b *backend) *interposer {
	t.Helper()
	i := &interposer{manager: b.url()}
	i.say(nil)
	i.Server = httptest.NewServer(i)
	t.Cleanup(func() { i.say(nil); i.Close() })
	return i
}

func (i *interposer) port() int { return i.Listener.Addr().(*net.TCPAddr).Port }

// say replaces the answers to watches and fetches from now on, those under way included; nil passes them on.
func (i *interposer) say(answer bad) {
	i.lock.Lock()
	defer i.lock.Unlock()
	if i.cancel != nil {
		i.cancel()
	}
	i.answer, i.said = answer, 0
	i.under, i.cancel = context.WithCancel(context.Background())
}

func (i *interposer) awaitSaid(t *testing.T, n int) {
	t.Helper()
	poll(t, "the proxy does not ask again", func() bool {
		i.lock.Lock()
		defer i.lock.Unlock()
		return i.said >= n
	})
}

func (i *interposer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.lock.Lock()
	answer, under := i.answer, i.under
	i.lock.Unlock()
	real, err := i.ask(r, under)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if answer == nil || r.URL.Path == wire.SyncPath {
		altered(func(body []byte) []byte { return body })(w, real)
		return
	}
	answer(w, real)
	i.lock.Lock()
	defer i.lock.Unlock()
	i.said++
}

// ask makes the request at the manager, until the answers are to be others.
func (i *interposer) ask(r *http.Request, under context.Context) (*httptest.ResponseRecorder, error) {
	request, err := http.NewRequestWithContext(under, r.Method, i.manager+r.URL.Path, r.Body)
	if err != nil {
		return nil, err
	}
	request.Header = r.Header.Clone()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("ask the manager: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	recorder := httptest.NewRecorder()
	recorder.Code = response.StatusCode
	recorder.Header().Set("Content-Type", response.Header.Get("Content-Type"))
	_, err = io.Copy(recorder.Body, response.Body)
	return recorder, err
}
