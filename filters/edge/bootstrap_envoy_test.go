//go:build !wasip1

package edge_test

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/filters/policy"
)

// TestBootstrapInEnvoy starts the real Envoy with a bootstrap and without its
// manager: it serves from the first request on, and follows the manager once it is there.
func TestBootstrapInEnvoy(t *testing.T) {
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "partnergate.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	stub := newStub(revoked(3))
	manager := &absent{managerStub: stub}
	up := port(t, serve(t, upstream))
	config, err := envoyexamples.Render("quickstart", envoyexamples.Places{Manager: port(t, serve(t, manager)), Payments: up, Risk: up, Module: module})
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := base64.StdEncoding.EncodeToString(policy.Bootstrap(compile(t, estate(7)), time.Now().UnixMilli(), []string{edgeToken}))
	text := strings.Replace(string(config), `"errors_url":`, `"bootstrap": "`+bootstrap+`", "errors_url":`, 1)
	e, err := envoyexamples.Launch(t.Context(), envoyexamples.Options{Config: []byte(text), EdgeToken: edgeToken, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	for n := range 20 {
		if got := send(t, e.Address(), good()); got.StatusCode != http.StatusOK {
			t.Fatalf("request %d without a manager: %d %s", n+1, got.StatusCode, got.body)
		}
	}
	manager.there.Store(true)
	until(t, func() bool { return send(t, e.Address(), good()).code() == "credential_revoked" })
	reliability.Record(t, reliability.Row{
		Fault:    "the real Envoy starts without its manager, with a bootstrap",
		Done:     "20 requests from the moment it is live, then the manager comes with an older version that revokes the key",
		Promised: "all 20 by the bootstrap; then the manager's policy",
		Seen:     "20 of 20 served, then 401 `credential_revoked`",
	})
}
