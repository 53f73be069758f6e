package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/server"
)

// TestGateway runs the gateway as a process of its own before an upstream.
func TestGateway(t *testing.T) {
	t.Parallel()
	needModules(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Partner-Id")+" "+r.RequestURI+" "+r.Header.Get("X-Api-Key"))
	}))
	defer upstream.Close()
	s := startManager(t)
	key, err := s.Service().CreateCredential(t.Context(), manager.Actor{Name: "test", Owner: manager.OwnerAPI}, "delta", "ledger", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, "gateway", "--listen", "127.0.0.1:0", "--manager", s.URL(), "--upstream", "/="+upstream.URL, "--modules", modules, "--node", "lab")
	address, _ := p.await("gateway is serving")["address"].(string)

	status, body := 0, ""
	eventually(t, "the gateway admits a good key", func() bool {
		status, body = fetch(t, "http://"+address+"/risk/feeds?x=%7e", "sandbox.api.localhost", key.Key)
		return status != http.StatusServiceUnavailable && status != http.StatusUnauthorized
	})
	if status != http.StatusOK || body != "delta /risk/feeds?x=%7e " {
		t.Errorf("got %d %q", status, body)
	}
	eventually(t, "the manager lists the gateway", func() bool {
		proxies, err := s.Service().Proxies(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(proxies) == 1 && proxies[0].Node == "lab" && proxies[0].PolicyVersion == s.Service().PolicyVersion()
	})
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func needModules(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(modules + "/partnergate.wasm"); err != nil {
		t.Fatalf("%v: run `make wasm`", err)
	}
}

// startManager serves the sample estate.
func startManager(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.Start(t.Context(), server.Settings{
		Listen: "127.0.0.1:0", Store: "sqlite://" + t.TempDir() + "/test.db", AdminToken: adminToken, EdgeToken: edgeToken,
	}, wiring().Server, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	estate, err := documents.ReadFolder(envoyexamples.Estate, "estate")
	if err != nil {
		t.Fatal(err)
	}
	actor := manager.Actor{Name: "test", Owner: manager.OwnerFile}
	if _, err := s.Service().Apply(t.Context(), actor, documents.Resources(estate), manager.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// fetch gets a URL with another Host.
func fetch(t *testing.T, url, host, key string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	request.Header.Set("X-Api-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSuffix(string(read), "\n")
}

// patience bounds a failure; nothing is expected to take so long, on a busy machine either.
const patience = 5 * time.Minute

// eventually asks again and again, since the other process tells nobody when it is so far.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	ask := time.NewTicker(50 * time.Millisecond)
	defer ask.Stop()
	deadline := time.After(patience)
	for !so() {
		select {
		case <-ask.C:
		case <-deadline:
			t.Fatalf("after %s it is not so that %s", patience, what)
		}
	}
}
