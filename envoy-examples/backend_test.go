package envoyexamples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager/client"
)

// backend is what stands around an edge: a manager on a store of its own, and two upstreams.
type backend struct {
	*managerProcess
	payments, risk *upstream
	dir            string
}

func startBackend() (b *backend, err error) {
	b = &backend{}
	if b.dir, err = os.MkdirTemp("", "partnergate-backend-"); err != nil {
		return nil, err
	}
	b.payments, err = startUpstream()
	if err == nil {
		b.risk, err = startUpstream()
	}
	if err == nil {
		b.managerProcess, err = startManager(b.dir)
	}
	return b, err
}

func (b *backend) stop() error {
	return errors.Join(b.managerProcess.stop(), b.payments.stop(), b.risk.stop(), os.RemoveAll(b.dir))
}

// arrived is how many requests have reached the upstreams.
func (b *backend) arrived() int64 { return b.payments.requests.Load() + b.risk.requests.Load() }

// taken is the request with a mark, at whatever upstream it arrived.
func (b *backend) taken(mark string) (arrival, bool) {
	if a, ok := b.payments.take(mark); ok {
		return a, true
	}
	return b.risk.take(mark)
}

// launch starts Envoy in front of the backend.
func (b *backend) launch(ctx context.Context, example string, access io.Writer) (*Envoy, error) {
	return Launch(ctx, Options{
		Example:   example,
		Places:    Places{Manager: b.port(), Payments: b.payments.port(), Risk: b.risk.port(), Module: modulePath},
		EdgeToken: edgeToken,
		AccessLog: access,
	})
}

// once starts something for the first test that needs it. TestMain ends it.
type once[T any] struct {
	start func() (T, error)
	end   func(T) error
	once  sync.Once
	value T
	err   error
	began bool
}

func (o *once[T]) get(t testing.TB) T {
	t.Helper()
	o.once.Do(func() { o.began = true; o.value, o.err = o.start() })
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.value
}

func (o *once[T]) stop() error {
	if !o.began || o.err != nil {
		return o.err
	}
	return o.end(o.value)
}

// sharedBackend and sharedEdges serve all tests that do not have to end them.
var (
	sharedBackend = &once[*backend]{start: startBackend, end: (*backend).stop}
	sharedEdges   = edges{"quickstart": sharedEdge("quickstart"), "hardened": sharedEdge("hardened")}
)

type edges map[string]*once[*tappedEnvoy]

// tappedEnvoy is an Envoy whose access log a test can listen to.
type tappedEnvoy struct {
	*Envoy
	tap tap
}

func (e edges) stop() (err error) {
	for _, edge := range e {
		err = errors.Join(err, edge.stop())
	}
	return err
}

func sharedEdge(example string) *once[*tappedEnvoy] {
	start := func() (*tappedEnvoy, error) {
		if sharedBackend.value == nil {
			return nil, errors.New("start the shared backend first")
		}
		e := &tappedEnvoy{}
		var err error
		e.Envoy, err = sharedBackend.value.launch(context.Background(), example, &e.tap)
		return e, err
	}
	return &once[*tappedEnvoy]{start: start, end: func(e *tappedEnvoy) error { return e.Stop() }}
}

// tap hands an access log to whom listens, from the next whole line on, and else drops it.
type tap struct {
	lock   sync.Mutex
	to     io.Writer
	middle bool // of a line
}

func (t *tap) listen(to io.Writer) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.to = to
}

func (t *tap) Write(p []byte) (int, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	rest := p
	if t.to == nil {
		t.middle = p[len(p)-1] != '\n'
		return len(p), nil
	}
	if t.middle {
		_, rest, _ = bytes.Cut(p, []byte("\n"))
		t.middle = len(rest) == 0 && p[len(p)-1] != '\n'
	}
	if _, err := t.to.Write(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

// poll asks until the condition holds. Its patience only bounds a failure.
func poll(t testing.TB, what string, patience time.Duration, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s, but %s", patience, what)
		}
	}
}

// awaitPolicy returns when every worker of every edge decides by the version, or a later one.
func (b *backend) awaitPolicy(t testing.TB, version int64, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		poll(t, "the edge does not decide by the new policy", time.Minute, func() bool {
			a, err := ask(address, request{method: http.MethodGet, target: "/", host: "nobody.example.test"})
			if err != nil {
				t.Fatal(err)
			}
			p, _ := a.problem()
			return p.PolicyVersion >= version
		})
	}
	b.awaitAcknowledged(t, version)
}

// awaitAcknowledged returns when all edges that the manager knows decide by the version.
func (b *backend) awaitAcknowledged(t testing.TB, version int64) {
	t.Helper()
	behind, err := b.Acknowledged(t.Context(), version, 20*time.Second)
	if err != nil || len(behind) > 0 {
		t.Fatalf("after 20 s some edges do not decide by policy version %d: %+v, %v", version, behind, err)
	}
}

// adminGet reads a JSON answer of the admin API that the client has no method for.
func (b *backend) adminGet(t testing.TB, path string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// awaitLogged returns the operator's entry of a request, which is there within 5 s of its end.
func (b *backend) awaitLogged(t testing.TB, requestID string) client.Request {
	t.Helper()
	var found client.Request
	poll(t, "the request "+requestID+" is not in the log", 10*time.Second, func() bool {
		page, err := b.Requests(t.Context(), map[string][]string{"request_id": {requestID}})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > 0 {
			found = page.Items[0]
		}
		return len(page.Items) > 0
	})
	return found
}

// noReloads checks that no VM of an Envoy failed.
func noReloads(t testing.TB, e *Envoy) {
	t.Helper()
	stats, err := e.Admin(t.Context(), "/stats?filter=vm_(reload|failed)")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(stats)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); strings.Contains(name, "wasm") && value != "0" {
			t.Errorf("a VM failed: %s", line)
		}
	}
}

// said is what the manager has written: its store's files and its log.
func (b *backend) said(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the store has no files: %v", err)
	}
	places := map[string]string{"the manager's log": b.log.String()}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		places[filepath.Base(file)] = string(data)
	}
	return places
}
