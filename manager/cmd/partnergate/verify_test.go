package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/cli"
	"github.com/partnergate/partnergate/manager/server"
)

// operator runs a command against a manager and returns its exit code and output.
func operator(t *testing.T, s *server.Server, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	code = cli.Run(t.Context(), cli.Process{
		Args: arguments, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errors,
		Getenv: func(name string) string {
			return map[string]string{"PARTNERGATE_URL": s.URL(), "PARTNERGATE_ADMIN_TOKEN": adminToken}[name]
		},
	}, wiring())
	return code, out.String(), errors.String()
}

type verified struct {
	Agrees        bool
	Probes        int
	Proxies       []struct{ Agrees bool }
	NotProbed     []string `json:"not_probed"`
	Disagreements []struct{ Partner, Policy, Gateway string }
}

func verify(t *testing.T, s *server.Server, arguments ...string) (code int, report verified) {
	t.Helper()
	code, out, errors := operator(t, s, append([]string{"verify", "-o", "json"}, arguments...)...)
	if code == 1 {
		t.Fatalf("verify %v: %s", arguments, errors)
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return code, report
}

// TestVerify runs the gateway as a process of its own, verifies it, and one that lies; then asks why a request was refused.
func TestVerify(t *testing.T) {
	t.Parallel()
	needModules(t)
	var reads, others atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			reads.Add(1)
		} else {
			others.Add(1)
		}
	}))
	defer upstream.Close()
	s := startManager(t)
	p := launch(t, "gateway", "--listen", "127.0.0.1:0", "--manager", s.URL(), "--upstream", "/="+upstream.URL, "--modules", modules, "--node", "lab")
	address, _ := p.await("gateway is serving")["address"].(string)
	gateway := "http://" + address
	eventually(t, "the gateway has reported", func() bool {
		code, _, _ := operator(t, s, "verify", "--timeout", "1s")
		return code == 0
	})

	code, report := verify(t, s, "--probe", "--environment", "sandbox", "--gateway", gateway)
	if code != 0 || !report.Agrees || report.Probes == 0 || len(report.Disagreements) > 0 || len(report.Proxies) != 1 {
		t.Errorf("exit code %d: %+v", code, report)
	}
	if reads.Load() == 0 || others.Load() > 0 {
		t.Errorf("the upstream got %d GET requests and %d others", reads.Load(), others.Load())
	}
	for _, partner := range []string{"cobalt", "delta"} {
		keys, err := s.Service().Credentials(t.Context(), partner, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if key.State != manager.CredentialRevoked {
				t.Errorf("the key %s of %s is left, %s", key.Metadata.Name, partner, key.State)
			}
		}
	}

	liar := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer liar.Close()
	code, report = verify(t, s, "--probe", "--environment", "sandbox", "--partner", "cobalt", "--gateway", liar.URL)
	if code != 2 || report.Agrees || len(report.Disagreements) == 0 || report.Disagreements[0].Policy != "operation_not_found" || report.Disagreements[0].Gateway != "admitted" {
		t.Errorf("a gateway that lets everything through: exit code %d, %+v", code, report)
	}
	importedAndExplained(t, s, gateway)
	explainedWithoutCaller(t, s, gateway)
}

// explainedWithoutCaller asks about a request that had no key.
func explainedWithoutCaller(t *testing.T, s *server.Server, gateway string) {
	t.Helper()
	_, body := fetch(t, gateway+"/payments/charges", "sandbox.api.localhost", "nothing-known")
	var problem struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	out := ""
	eventually(t, "the request is logged", func() (logged bool) {
		var code int
		code, out, _ = operator(t, s, "explain", problem.RequestID)
		return code == 0
	})
	if !strings.Contains(out, "credential_unknown") || !strings.Contains(out, "Nobody knows who sent it") {
		t.Errorf("explained: %s", out)
	}
}

// importedAndExplained calls with a key that was imported, where it may and where not, and asks why.
func importedAndExplained(t *testing.T, s *server.Server, gateway string) {
	t.Helper()
	const key = "AKIA.of/the+old==gateway"
	digest := policy.KeyDigest(key)
	file := filepath.Join(t.TempDir(), "keys.csv")
	if err := os.WriteFile(file, []byte("id,partner,application,environment,sha256\nold-key-1,cobalt,checkout,sandbox,"+hex.EncodeToString(digest[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errors := operator(t, s, "keys", "import", "-f", file); code != 0 {
		t.Fatal(errors)
	}
	eventually(t, "the imported key is known", func() bool {
		status, _ := fetch(t, gateway+"/payments/charges", "sandbox.api.localhost", key)
		return status == http.StatusOK || status == http.StatusTooManyRequests
	})
	status, body := fetch(t, gateway+"/risk/feeds", "sandbox.api.localhost", key)
	var problem struct {
		Code      string
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil || status != http.StatusNotFound {
		t.Fatalf("%d %s", status, body)
	}
	var explained struct {
		Request struct{ Outcome, Credential string }
		Now     struct {
			Code  string
			Steps []struct{ Step, Outcome, Saw string }
		}
	}
	eventually(t, "the request is logged", func() bool {
		code, out, _ := operator(t, s, "explain", problem.RequestID, "-o", "json")
		return code == 0 && json.Unmarshal([]byte(out), &explained) == nil
	})
	last := explained.Now.Steps[len(explained.Now.Steps)-1]
	if explained.Request.Outcome != "operation_not_found" || explained.Request.Credential != "old-key-1" ||
		explained.Now.Code != "operation_not_found" || last.Step != "subscription" || !strings.Contains(last.Saw, "cobalt has none to risk in sandbox") {
		t.Errorf("explained: %+v", explained)
	}
	if code, out, _ := operator(t, s, "explain", problem.RequestID); code != 0 || !strings.Contains(out, "The policy of now, on the same request at that time:") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
