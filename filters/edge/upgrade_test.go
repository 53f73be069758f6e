//go:build !wasip1

package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/testharness"
)

// nextVersion is how the sources of the next release would differ: a version
// more of messages and of policies, with those of this release still read.
var nextVersion = map[string][2]string{
	"../wire/wire.go":      {"Version = 1 //", "Version = 2 //"},
	"../policy/version.go": {"SchemaVersion = 1\n", "SchemaVersion = 2\n"},
}

// overlay writes those sources for `go build -overlay`.
func overlay(t *testing.T) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for path, change := range nextVersion {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(source), change[0]) != 1 {
			t.Fatalf("%s has not %q; this release's number is another, so raise both here", path, change[0])
		}
		whole, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		replace[whole] = filepath.Join(dir, filepath.Base(path))
		write(t, replace[whole], strings.Replace(string(source), change[0], change[1], 1))
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	write(t, path, string(list))
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// buildNext builds a command of the next release.
func buildNext(t *testing.T, target string, environment []string, flags ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "next")
	args := append([]string{"build", "-overlay", overlay(t), "-o", path}, flags...)
	build := exec.CommandContext(t.Context(), "go", append(args, target)...)
	build.Env = append(os.Environ(), environment...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the next release's %s: %v\n%s", target, err, out)
	}
	return path
}

// TestNextFiltersWithThisManager upgrades the filters first.
func TestNextFiltersWithThisManager(t *testing.T) {
	path := buildNext(t, "../modules/partnergate", []string{"GOOS=wasip1", "GOARCH=wasm"}, "-buildmode=c-shared")
	module, err := testharness.CompileFile(t.Context(), path, testharness.WithCacheDir(filepath.Join(os.TempDir(), "partnergate-wazero")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := module.Close(); err != nil {
			t.Error(err)
		}
	})
	modules["next"] = module
	m := newManager(t, "[]")
	p := start(t, proxyWith(2, m, filterOf("next", "partnergate", configuration)).WithClock(m.clock).WithNodeID("edge"))
	await(t, p, func() bool {
		p.Advance(500 * time.Millisecond)
		return version(p) == uint64(m.PolicyVersion())
	})
	for worker := range 2 {
		checkOn(t, p, worker, m.request("acme"), servedVerdict)
	}
	m.apply(t, strings.ReplaceAll(estateYAML("[]"), "title: Payments", "title: Payments anew"))
	ready(t, p, uint64(m.PolicyVersion()))
	await(t, p, func() bool {
		p.Advance(time.Second)
		return m.counted(t) == 2
	})
	if n, _ := p.Metric("partnergate_manager_refused;.reason=version.;"); n == 0 {
		t.Error("the filters did not try their own version first: are they the next ones?")
	}
	reliability.Record(t, reliability.Row{
		Fault:    "the filters are upgraded before the manager",
		Done:     "the next release's own build of the filters with this release's manager",
		Promised: "policy, changes and usage as with filters of its own age",
		Seen:     "served at every worker, a change taken over, 2 of 2 requests counted",
	})
}

// nextManager is a process of the next release.
type nextManager struct {
	t   *testing.T
	url *url.URL
}

func startNext(t *testing.T) *nextManager {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, buildNext(t, "../../manager/cmd/partnergate", nil),
		"serve", "--listen", "127.0.0.1:0", "--store", "sqlite://"+filepath.Join(t.TempDir(), "next.db"), "--log-format", "json")
	command.Env = append(os.Environ(), "PARTNERGATE_ADMIN_TOKEN="+adminToken, "PARTNERGATE_EDGE_TOKEN="+edgeToken)
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, output) // it is killed: nothing follows
		_ = command.Wait()
	})
	for lines := bufio.NewScanner(output); lines.Scan(); {
		var line struct{ Msg, URL string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "manager is serving" {
			continue
		}
		address, err := url.Parse(line.URL)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, output) }() // ends with the process
		return &nextManager{t, address}
	}
	t.Fatal("the next manager did not start")
	return nil
}

// admin sends a request of the admin API that succeeds.
func (m *nextManager) admin(method, path, contentType, body string, answer any) {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), method, m.url.String()+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		m.t.Fatalf("%s %s: %d %v %s", method, path, response.StatusCode, err, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			m.t.Fatalf("%v: %s", err, text)
		}
	}
}

func (m *nextManager) policyVersion() (version uint64) {
	var policy struct {
		Version uint64 `json:"policy_version"`
	}
	m.admin("GET", "/api/v1/policy", "", "", &policy)
	return policy.Version
}

// counted is how many admitted requests the manager knows of.
func (m *nextManager) counted() (n int64) {
	var usage struct {
		Rows []struct{ Requests int64 }
	}
	m.admin("GET", "/api/v1/usage?outcome=admitted", "", "", &usage)
	for _, row := range usage.Rows {
		n += row.Requests
	}
	return n
}

// TestThisReleasesFiltersWithNextManager upgrades the manager first.
func TestThisReleasesFiltersWithNextManager(t *testing.T) {
	m := startNext(t)
	m.admin("POST", "/api/v1/apply", "application/yaml", estateYAML("[{name: daily, quota: {requests: 100, per: day}}]"), nil)
	var key struct{ Key string }
	m.admin("POST", "/api/v1/partners/acme/applications/app/credentials", "application/json", `{"environment": "sandbox"}`, &key)
	clock := testharness.NewVirtualClock(time.Now())
	way := httputil.NewSingleHostReverseProxy(m.url)
	way.ErrorLog = log.New(io.Discard, "", 0) // watches that end with their time
	p := start(t, proxyWith(2, way, combined(configuration)...).WithClock(clock).WithNodeID("edge"))
	ready(t, p, m.policyVersion())
	got := patient(t, p, 0, request("GET", sandboxHost, "/v1/pay", "x-api-key", key.Key))
	if got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	m.admin("PUT", "/api/v1/partners/acme", "application/json", `{"spec": {"title": "Acme", "state": "suspended"}}`, nil)
	ready(t, p, m.policyVersion())
	if got := patient(t, p, 1, request("GET", sandboxHost, "/v1/pay", "x-api-key", key.Key)); got.code() != "partner_suspended" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	await(t, p, func() bool {
		p.Advance(100 * time.Millisecond)
		return m.counted() == 1
	})
	if n, _ := p.Metric("partnergate_manager_refused;.reason=version.;"); n != 0 {
		t.Errorf("the next manager refused this release's messages %d times", n)
	}
}
