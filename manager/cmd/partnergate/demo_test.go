package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager/cli"
	"github.com/partnergate/partnergate/manager/demo"
)

// modules is where `make wasm` puts the filters.
const modules = "../../../build"

// demoRun is one run of the demo in this process.
type demoRun struct {
	t     *testing.T
	facts demo.Facts
	page  *bytes.Buffer // what it told its user; read after the start
	end   func()
}

// startDemo runs the demo on free ports until end is called or the test ends.
func startDemo(t *testing.T, data string, change func(*demo.Options)) *demoRun {
	t.Helper()
	needModules(t)
	r := &demoRun{t: t, page: &bytes.Buffer{}}
	started := make(chan demo.Facts, 1)
	o := demo.Options{
		DataDir: data, Gateway: demo.Embedded, Example: "quickstart", ModulesDir: modules, Out: r.page,
		Started: func(f demo.Facts) { started <- f },
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- demo.Run(ctx, o, wiring().Server) }()
	over := false
	r.end = func() {
		if over {
			return
		}
		over = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with: %v", err)
		}
	}
	t.Cleanup(r.end)
	select {
	case r.facts = <-started:
	case err := <-ended:
		over = true
		log, _ := os.ReadFile(filepath.Join(data, "demo.log"))
		t.Fatalf("the demo did not start: %v\n%s", err, log)
	}
	return r
}

// call sends a request to a host of the estate through the gateway.
func (r *demoRun) call(key, target string) (status int, code string) {
	r.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		r.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.facts.GatewayURL+u.RequestURI(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Host = u.Host
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	var problem struct {
		Code string `json:"code"`
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = json.Unmarshal(body, &problem) // "" where it is none
	return response.StatusCode, problem.Code
}

func (r *demoRun) key(variable string) string {
	r.t.Helper()
	for _, k := range r.facts.Keys {
		if k.Variable == variable {
			return k.Key
		}
	}
	r.t.Fatalf("there is no key %s", variable)
	return ""
}

var printedCall = regexp.MustCompile(`(?m)^  # (\d{3})(?: ([a-z_]+))?[^\n]*\n  curl -i (?:-H "x-api-key: \$([A-Z_]+)" )?(http://\S+)$`)

// checkPage makes each call that the demo prints, and compares the answer with what is printed.
func (r *demoRun) checkPage() {
	r.t.Helper()
	calls := printedCall.FindAllStringSubmatch(r.page.String(), -1)
	if len(calls) < 6 {
		r.t.Fatalf("only %d calls are printed:\n%s", len(calls), r.page)
	}
	for _, c := range calls {
		want, wantCode, variable, target := c[1], c[2], c[3], c[4]
		key := ""
		if variable != "" {
			key = r.key(variable)
		}
		if status, code := r.callPatiently(key, target); fmt.Sprint(status) != want || code != wantCode {
			r.t.Errorf("%s with %q: %d %s, but %s %s is printed", target, variable, status, code, want, wantCode)
		}
	}
	for _, k := range r.facts.Keys {
		if !strings.Contains(r.page.String(), "export "+k.Variable+"="+k.Key+"\n") {
			r.t.Errorf("the key %s is not printed", k.Variable)
		}
	}
}

// flood spends the limit of Cobalt, while Delta is served.
func (r *demoRun) flood() {
	r.t.Helper()
	r.floodWith("COBALT_SANDBOX", "DELTA_SANDBOX", "http://sandbox.api.localhost/payments/charges")
}

// floodWith spends the limit of one key, while the other is served.
func (r *demoRun) floodWith(flooding, other, charges string) {
	r.t.Helper()
	eventually(r.t, "the limit is spent", func() bool {
		for range 20 { // a round is more than is left at a time
			status, code := r.callPatiently(r.key(flooding), charges)
			if status == http.StatusTooManyRequests && code == "limit_exceeded" {
				return true
			}
			if status != http.StatusOK {
				r.t.Fatalf("a call of the flood: %d %s", status, code)
			}
		}
		return false
	})
	if status, _ := r.callPatiently(r.key(other), charges); status != http.StatusOK {
		r.t.Errorf("%s during the flood: %d", other, status)
	}
}

// callPatiently calls again where a lease was not there in time, as the refusal says.
func (r *demoRun) callPatiently(key, target string) (status int, code string) {
	r.t.Helper()
	eventually(r.t, "a lease comes", func() bool {
		status, code = r.call(key, target)
		return code != "limit_unavailable"
	})
	return status, code
}

// login logs a member of the demo into the portal and returns its catalog in the sandbox.
func (r *demoRun) login(email string) string {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	response, err := client.PostForm(r.facts.ManagerURL+"/login", url.Values{"email": {email}, "password": {r.facts.Passwords[email]}})
	if err != nil {
		r.t.Fatal(err)
	}
	_ = response.Body.Close() // the cookie is all
	response, err = client.Get(r.facts.ManagerURL + "/catalog.json?environment=sandbox")
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		r.t.Fatalf("catalog of %s: %d %v %s", email, response.StatusCode, err, body)
	}
	return string(body)
}

// command runs partnergate as an operator of the demo and decodes its answer.
func (r *demoRun) command(out any, arguments ...string) {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(r.t.Context(), cli.Process{
		Args: append(arguments, "-o", "json"), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string {
			return map[string]string{"PARTNERGATE_URL": r.facts.ManagerURL, "PARTNERGATE_ADMIN_TOKEN": r.facts.AdminToken}[name]
		},
	}, wiring())
	if code != 0 {
		r.t.Fatalf("%v: exit code %d: %s", arguments, code, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		r.t.Fatalf("%v: %v in %s", arguments, err, &stdout)
	}
}

// checkReports waits until what was called is seen by the operator.
func (r *demoRun) checkReports() {
	r.t.Helper()
	var usage struct{ Rows []struct{ Requests int } }
	eventually(r.t, "Cobalt's refused requests are counted", func() bool {
		r.command(&usage, "usage", "--partner", "cobalt", "--outcome", "limit_exceeded", "--group-by", "")
		return len(usage.Rows) == 1 && usage.Rows[0].Requests > 0
	})
	var requests struct {
		Items []struct{ Outcome, Limit, Path string }
	}
	eventually(r.t, "one of them is logged", func() bool {
		r.command(&requests, "requests", "--partner", "cobalt", "--outcome", "limit_exceeded", "--limit", "1")
		return len(requests.Items) == 1
	})
	if requests.Items[0].Limit != "throughput" || requests.Items[0].Path != "/payments/charges" {
		r.t.Errorf("the request log has %+v", requests.Items)
	}
	var proxies struct{ Items []struct{ Node string } }
	r.command(&proxies, "proxies")
	if len(proxies.Items) != 1 || proxies.Items[0].Node != "demo" {
		r.t.Errorf("the proxies are %+v", proxies.Items)
	}
}

// checkRevoke revokes a key; once the command is back no worker admits it.
func (r *demoRun) checkRevoke() {
	r.t.Helper()
	var made struct{ ID, Key string }
	r.command(&made, "keys", "create", "--partner", "delta", "--application", "screening", "--environment", "sandbox")
	feeds := "http://sandbox.api.localhost/risk/feeds"
	eventually(r.t, "the new key is admitted", func() bool {
		status, _ := r.call(made.Key, feeds)
		return status == http.StatusOK
	})
	var answer struct{}
	r.command(&answer, "keys", "revoke", made.ID, "--wait")
	for range 4 { // more than there are workers
		if status, code := r.call(made.Key, feeds); status != http.StatusUnauthorized || code != "credential_revoked" {
			r.t.Errorf("after revoking: %d %s", status, code)
		}
	}
}

// refuseSecond starts others with the demo's data, which must end at once and change nothing.
func (r *demoRun) refuseSecond(data string) {
	r.t.Helper()
	file := filepath.Join(data, "demo.json")
	before, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	o := demo.Options{Gateway: demo.Embedded, Example: "quickstart", ModulesDir: modules, Out: io.Discard, Started: func(demo.Facts) { r.t.Error("a second demo has started") }}
	refuse := func(folder, store string, words ...string) {
		r.t.Helper()
		o.DataDir, o.Store = folder, store
		err := demo.Run(r.t.Context(), o, wiring().Server)
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				r.t.Errorf("folder %s, store %q: the error lacks %q: %v", folder, store, word, err)
			}
		}
	}
	for _, store := range []string{"", demo.MongoDB, "sqlite://" + filepath.Join(r.t.TempDir(), "other.db")} {
		refuse(data, store, data, "process "+strconv.Itoa(os.Getpid()), "--data", "--port-offset")
	}
	refuse(filepath.Join(r.t.TempDir(), "data"), "sqlite://"+filepath.Join(data, "demo.db"), filepath.Join(data, "demo.db"), "in use by process "+strconv.Itoa(os.Getpid()), "another file")
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		r.t.Errorf("the first demo's state was changed: %v", err)
	}
	if status, code := r.callPatiently(r.key("DELTA_SANDBOX"), "http://sandbox.api.localhost/payments/charges"); status != http.StatusOK {
		r.t.Errorf("a key of the first demo, after others were refused: %d %s", status, code)
	}
}

// refuseRestore restores a backup of the running demo's MongoDB: over it, which is refused, and into another database.
func (r *demoRun) refuseRestore() {
	r.t.Helper()
	store := regexp.MustCompile(`mongodb://\S+`).FindString(r.page.String())
	backup := filepath.Join(r.t.TempDir(), "backup.jsonl")
	run := func(arguments ...string) (int, string) {
		var stderr bytes.Buffer
		code := cli.Run(r.t.Context(), cli.Process{
			Args: arguments, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &stderr, Getenv: func(string) string { return "" },
		}, wiring())
		return code, stderr.String()
	}
	if code, said := run("dump", "--store", store, "-o", backup); code != 0 {
		r.t.Fatalf("dump: %s", said)
	}
	code, said := run("restore", "--force", "--store", store, backup)
	for _, want := range []string{"managers are connected", "127.0.0.1:", "stop all managers"} {
		if code != 1 || !strings.Contains(said, want) {
			r.t.Errorf("restore under managers: exit code %d, and the error lacks %q: %s", code, want, said)
		}
	}
	if code, said := run("restore", "--store", strings.Replace(store, "/partnergate?", "/copy?", 1), backup); code != 0 || strings.Contains(said, "Warning") {
		r.t.Errorf("restore beside it: exit code %d: %s", code, said)
	}
	r.login("dana@cobalt.example") // all is still there
}

// TestDemo is what `make run` shows, twice: the second run finds its data again.
func TestDemo(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	first := startDemo(t, data, nil)
	first.checkPage()
	first.flood()
	if cobalt, delta := first.login("dana@cobalt.example"), first.login("noor@delta.example"); strings.Contains(cobalt, "/risk/") || !strings.Contains(delta, "/risk/") {
		t.Errorf("the catalogs are %s and %s", cobalt, delta)
	}
	first.checkReports()
	first.checkRevoke()
	first.refuseSecond(data)
	first.end()

	second := startDemo(t, data, nil)
	if second.facts.AdminToken != first.facts.AdminToken || second.facts.Passwords["dana@cobalt.example"] != first.facts.Passwords["dana@cobalt.example"] {
		t.Error("the second run has another token or password")
	}
	if status, code := second.call(first.key("DELTA_SANDBOX"), "http://sandbox.api.localhost/payments/charges"); status != 401 || code != "credential_revoked" {
		t.Errorf("a key of the first run: %d %s", status, code)
	}
	for _, variable := range []string{"COBALT_SANDBOX", "DELTA_SANDBOX"} {
		// A proxy that takes over begins with empty buckets, so one call may come too early.
		eventually(t, variable+" is admitted", func() bool {
			status, _ := second.call(second.key(variable), "http://sandbox.api.localhost/payments/charges")
			return status == http.StatusOK
		})
	}
	second.login("dana@cobalt.example")
}

// TestDemoOnMongoDB keeps the demo's data in a mongod of its own, with two
// managers; the second run finds it at another port.
func TestDemoOnMongoDB(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	onMongoDB := func(o *demo.Options) { o.Store = demo.MongoDB }
	first := startDemo(t, data, onMongoDB)
	first.checkPage()
	for _, words := range []string{"two managers", first.facts.SecondURL, "mongod, a replica set of one"} {
		if !strings.Contains(first.page.String(), words) {
			t.Errorf("the page lacks %q:\n%s", words, first.page)
		}
	}
	first.facts.ManagerURL, first.facts.SecondURL = first.facts.SecondURL, first.facts.ManagerURL
	first.flood()
	first.login("dana@cobalt.example")
	first.checkReports()
	first.checkRevoke()
	first.refuseRestore()
	first.end()

	second := startDemo(t, data, onMongoDB)
	second.login("dana@cobalt.example")
	if status, code := second.call(first.key("DELTA_SANDBOX"), "http://sandbox.api.localhost/payments/charges"); status != 401 || code != "credential_revoked" {
		t.Errorf("a key of the first run: %d %s", status, code)
	}
}

// TestDemoInEnvoy shows the same in the real Envoy, with each of its configurations.
func TestDemoInEnvoy(t *testing.T) {
	t.Parallel()
	for _, example := range envoyexamples.Examples {
		t.Run(example, func(t *testing.T) {
			r := startDemo(t, filepath.Join(t.TempDir(), "data"), func(o *demo.Options) { o.Gateway, o.Example = demo.Envoy, example })
			r.checkPage()
			if example == "quota-only" {
				r.floodWith("MAPLE", "QUARTZ", "http://limits.localhost/payments/charges")
				return
			}
			r.flood()
		})
	}
}
