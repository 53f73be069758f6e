package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/manager/telemetry"
	"github.com/partnergate/partnergate/manager/telemetry/logtest"
	"github.com/partnergate/partnergate/portal"
)

// errDisk is what the store of the tests answers when it is asked for usage.
var errDisk = errors.New("the disk is full")

type brokenStore struct{ manager.Store }

func (brokenStore) UsageSums(context.Context, manager.UsageQuery) ([]manager.UsageSum, error) {
	return nil, errDisk
}

var wiring = server.Wiring{
	OpenStore: func(ctx context.Context, url string) (manager.Store, error) {
		s, err := sqlite.Open(ctx, strings.TrimPrefix(url, "sqlite://"))
		return brokenStore{s}, err
	},
	NewPortal: func(s *manager.Service, publicURL, adminToken string, logger *slog.Logger) (http.Handler, error) {
		return portal.New(portal.Config{Service: s, PublicURL: publicURL, AdminToken: adminToken, Logger: logger})
	},
}

// run is a manager that serves, and what it logs.
type run struct {
	t       *testing.T
	url     string
	log     logtest.Book
	stop    func()
	secrets []string // that must be in no line
}

func start(t *testing.T, change func(*server.Settings)) *run {
	t.Helper()
	r := &run{t: t, secrets: []string{goodAdmin, goodEdge}}
	settings := good()
	settings.Store = "sqlite://" + filepath.Join(t.TempDir(), "run.db")
	change(&settings)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	logger := telemetry.NewLogger(&r.log, settings.LogFormat, slog.LevelDebug)
	s, err := server.Start(ctx, settings, wiring, logger)
	if err != nil {
		t.Fatal(err)
	}
	r.url = s.URL()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// do sends a request; the answer's body is read.
func (r *run) do(method, path, body string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response, string(answer)
}

// admin sends a request of the admin API with a request id, which must come back.
func (r *run) admin(id string, status int, method, path, body, contentType string) string {
	r.t.Helper()
	response, answer := r.do(method, path, body, "Authorization", "Bearer "+goodAdmin, "X-Request-Id", id, "Content-Type", contentType)
	if response.StatusCode != status || response.Header.Get("X-Request-Id") != id {
		r.t.Fatalf("%s %s: %d, request %s: %s", method, path, response.StatusCode, response.Header.Get("X-Request-Id"), answer)
	}
	return answer
}

// edge sends a message of a proxy.
func (r *run) edge(status int, path, token string, message []byte) {
	r.t.Helper()
	response, answer := r.do("POST", path, string(message), "Authorization", "Bearer "+token,
		"X-Request-Id", "call-of-the-proxy", "Content-Type", "application/octet-stream")
	if response.StatusCode != status {
		r.t.Fatalf("%s: %d %q", path, response.StatusCode, answer)
	}
}

var proxy = wire.ProxyID{Node: "edge-1", Nonce: [16]byte{1}}

// everything is a small run: what operators, members and proxies do, right and wrong.
func (r *run) everything() {
	r.t.Helper()
	estate := r.estate()
	const json, yaml = "application/json", "application/yaml"
	r.admin("apply-1", 200, "POST", "/api/v1/apply", estate, yaml)
	r.admin("wrong-1", 422, "PUT", "/api/v1/plans/odd", `{"spec": {"limits": [{"name": "x"}]}}`, json)
	r.admin("nowhere-1", 422, "GET", "/api/v1/partners/nobody?token=query-secret-1", "", "")
	r.admin("usage-1", 503, "GET", "/api/v1/usage", "", "")
	key := r.admin("key-1", 201, "POST", "/api/v1/partners/acme/applications/app/credentials", `{"environment": "sandbox"}`, json)
	_, key, _ = strings.Cut(key, `"key":"`)
	key, _, _ = strings.Cut(key, `"`)
	if _, _, ok := policy.ParseKey(key); !ok {
		r.t.Fatalf("no key: %q", key)
	}
	const password = "correct horse battery"
	r.admin("member-1", 204, "PUT", "/api/v1/partners/acme/members/dev@acme.test/password", `{"password": "`+password+`"}`, json)
	r.secrets = append(r.secrets, key, password, "query-secret-1", "a wrong password")
	r.do("GET", "/api/v1/plans", "", "Authorization", "Bearer of-nobody-000000000000000000000000000")
	r.do("GET", "/login", "")
	r.do("GET", "/healthz", "")
	for _, given := range []string{"a wrong password", password} {
		form := url.Values{"email": {"dev@acme.test"}, "password": {given}}
		r.do("POST", "/login", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", r.url)
	}
	watch := wire.Watch{Proxy: proxy, Schema: policy.SchemaVersion}
	sync := wire.Sync{Proxy: proxy, Sequence: 1, PolicyVersion: 1}
	r.edge(200, wire.WatchPath, goodEdge, watch.Append(nil))
	r.edge(401, wire.WatchPath, "of-nobody", watch.Append(nil))
	r.edge(200, wire.SyncPath, goodEdge, sync.Append(nil))
	sync.Sequence = 9 // a gap
	r.edge(200, wire.SyncPath, goodEdge, sync.Append(nil))
	newer := sync.Append(nil)
	newer[0] = wire.Version + 1
	r.edge(501, wire.SyncPath, goodEdge, newer)
	watch.Schema = policy.SchemaVersion + 2
	r.edge(501, wire.WatchPath, goodEdge, watch.Append(nil))
}

// estate is a partner with an application and no product.
func (r *run) estate() string {
	r.t.Helper()
	text, err := os.ReadFile("testdata/estate.yaml")
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}
