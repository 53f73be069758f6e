package envoyexamples

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// places are those of the backend, for an Envoy in front of it.
func (b *backend) places() Places {
	return Places{Manager: b.port(), Payments: b.payments.port(), Risk: b.risk.port(), Module: modulePath}
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
