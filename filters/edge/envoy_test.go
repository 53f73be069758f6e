//go:build !wasip1

package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/testharness"
)

// port is that of a test server.
func port(t testing.TB, server *httptest.Server) int {
	t.Helper()
	_, text, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// envoy starts the real Envoy with an example in front of upstream.
func envoy(t *testing.T, example string, manager http.Handler, log *envoyexamples.AccessLog) *envoyexamples.Envoy {
	t.Helper()
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "partnergate.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	up := port(t, serve(t, upstream))
	e, err := envoyexamples.Launch(t.Context(), envoyexamples.Options{
		Example: example, EdgeToken: edgeToken, AccessLog: log, Log: os.Stderr,
		Places: envoyexamples.Places{Manager: port(t, serve(t, manager)), Payments: up, Risk: up, Module: module},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// send writes a request byte for byte, and reads the answer.
func send(t *testing.T, address string, r *http.Request) answer {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.Method, r.RequestURI, r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("\r\n")
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Write([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), r)
	if err != nil {
		t.Fatalf("%s %q: %v", r.Method, r.RequestURI, err)
	}
	defer func() { _ = response.Body.Close() }()
	return read(t, response)
}

// sendPatiently sends a request again where a lease was not there in time, as the refusal says: a busy machine may take longer than a
// request waits for it. It returns the code of the answer.
func sendPatiently(t *testing.T, address string, r *http.Request) (code string) {
	t.Helper()
	until(t, func() bool {
		code = send(t, address, r).code()
		return code != "limit_unavailable"
	})
	return code
}

// awaitServed waits until an Envoy that has just started has a policy.
func awaitServed(t *testing.T, e *envoyexamples.Envoy) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const inARow = 40 // connections go to workers by chance; each has its own copy of the policy
	for served := 0; ctx.Err() == nil; {
		if send(t, e.Address(), fromCorpus(&corpus.Good, corpus.Good.Target)).StatusCode != http.StatusOK {
			served = 0
		} else if served++; served == inARow {
			return
		}
	}
	t.Fatal("no policy came")
}

// TestCorpusInEnvoy sends the corpus through the real Envoy.
func TestCorpusInEnvoy(t *testing.T) {
	for _, example := range []string{"quickstart", "hardened"} {
		t.Run(example, func(t *testing.T) {
			e := envoy(t, example, newStub(estate(1)), new(envoyexamples.AccessLog))
			awaitServed(t, e)
			for _, c := range corpus.Cases() {
				want := c.Raw
				if example == "hardened" {
					want = c.Hard
				}
				got := send(t, e.Address(), fromCorpus(&c, c.Target))
				if got.StatusCode != want.Status || !want.Listener && got.code() != want.Code {
					t.Errorf("%s: %d %q, want %d %q\n%s", c.Name, got.StatusCode, got.code(), want.Status, want.Code, got.body)
				}
				got.wantUpstream(t, &c)
			}
		})
	}
}

// TestContractInEnvoy spends a quota from many connections at once, and finds
// the account exact; then revokes keys, and finds each refused soon.
func TestContractInEnvoy(t *testing.T) {
	const contract, sent, connections = 200, 600, 12
	m := newManagerAt(t, "[{name: monthly, quota: {requests: 200, per: month}}]", testharness.RealClock())
	e := envoy(t, "quickstart", m, new(envoyexamples.AccessLog))
	awaitPolicy(t, e)
	got := map[string]int{sendPatiently(t, e.Address(), m.request("acme")): 1} // alone in its second, so that the log has room for it
	outcomes := make(chan string, sent)
	var group sync.WaitGroup
	for range connections {
		group.Go(func() {
			for range sent / connections {
				outcomes <- sendPatiently(t, e.Address(), m.request("acme"))
			}
		})
	}
	group.Wait()
	close(outcomes)
	for outcome := range outcomes {
		got[outcome]++
	}
	if got[""] != contract || got["limit_exceeded"] != 1+sent-contract {
		t.Errorf("%v, want %d admitted and the others refused", got, contract)
	}
	took := make([]time.Duration, 10)
	for i := range took {
		took[i] = revokeOne(t, m, e)
	}
	slices.Sort(took)
	t.Logf("10 revocations took %v", took)
	if median := took[len(took)/2]; median > 2*time.Second { // one of them may meet a machine that stands still
		t.Errorf("half the revocations took more than 2 s: %v", took)
	}
	wantToldByEnvoy(t, m, e)
}

// wantToldByEnvoy checks what the manager learns of the proxy and its requests.
func wantToldByEnvoy(t *testing.T, m *realManager, e *envoyexamples.Envoy) {
	t.Helper()
	proxies, err := m.Proxies(t.Context())
	if err != nil || len(proxies) != 1 || proxies[0].Node != "quickstart" || !proxies[0].Live || proxies[0].PolicyVersion == 0 {
		t.Errorf("%+v %v", proxies, err)
	}
	var statuses map[int]int
	until(t, func() bool {
		if code := sendPatiently(t, e.Address(), m.request("acme")); code != "limit_exceeded" { // some day in a second whose log has room
			t.Errorf("the contract is spent, but the code is %q", code)
		}
		statuses = loggedStatuses(t, m)
		return statuses[200] > 0 && statuses[429] > 0
	})
	delete(statuses, 503) // no lease in time
	if len(statuses) != 2 {
		t.Errorf("the log has statuses %v", statuses)
	}
}

// loggedStatuses counts acme's requests in the manager's log by their status.
func loggedStatuses(t *testing.T, m *realManager) map[int]int {
	t.Helper()
	statuses := map[int]int{}
	query := manager.RequestQuery{
		Match: manager.UsageKey{Partner: "acme"}, From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Limit: 200,
	}
	for {
		page, err := m.Requests(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Items {
			if statuses[r.Status]++; r.Method != "GET" || r.Path != "/v1/pay" || r.RequestID == "" || r.PolicyVersion == 0 || r.Key.Operation != "pay" {
				t.Fatalf("%+v", r)
			}
		}
		if query.Cursor = page.Next; query.Cursor == "" {
			return statuses
		}
	}
}

// awaitPolicy waits until every worker of an Envoy that has just started has a policy.
func awaitPolicy(t *testing.T, e *envoyexamples.Envoy) {
	t.Helper()
	const inARow = 40
	for refused := 0; refused < inARow; {
		if send(t, e.Address(), request("GET", sandboxHost, "/v1/pay")).code() == "policy_unavailable" {
			refused = 0
		} else {
			refused++
		}
	}
}

// revokeOne makes a key, uses it, revokes it, and returns how long it took
// until it was refused twenty times in a row.
func revokeOne(t *testing.T, m *realManager, e *envoyexamples.Envoy) time.Duration {
	t.Helper()
	key, err := m.CreateCredential(t.Context(), admin, "globex", "app", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	use := func() string {
		return send(t, e.Address(), request("GET", sandboxHost, "/v1/pay", "x-api-key", key.Key)).code()
	}
	until(t, func() bool { return use() == "" || use() == "limit_exceeded" })
	revoked := time.Now()
	if _, err := m.RevokeCredential(t.Context(), admin, key.ID); err != nil {
		t.Fatal(err)
	}
	last := revoked
	for inARow := 0; inARow < 20; {
		if use() == "credential_revoked" {
			inARow++
		} else {
			inARow, last = 0, time.Now()
		}
	}
	return last.Sub(revoked)
}

func until(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within ", patience)
		}
	}
}
