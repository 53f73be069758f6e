package testharness_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// sameCase is a chain of scripts and a request, for the harness and for Envoy.
type sameCase struct {
	name    string
	chain   [][]string
	request func() *http.Request
	// policies are for filters that fail; each gets a VM of its own.
	policies []string
	// relaxed drops what the two may differ in from a logged line.
	relaxed func(string) string
}

func one(lines ...string) [][]string { return [][]string{lines} }

func plainGet() *http.Request {
	return request("GET", "/v1/pay?a=1", "X-Dup", "1", "X-Dup", "2", "Accept", "*/*", "X-Request-Id", "8c5bb0f3-0a3e-4a09-bd54-3a7a3ba1b8d5")
}

func withBody(content string) func() *http.Request {
	return func() *http.Request {
		r := post(content)
		r.Header.Set("Content-Length", fmt.Sprint(len(content)))
		return r
	}
}

func withTrailers() *http.Request {
	r := post("abc")
	r.ContentLength = -1
	r.Trailer = http.Header{"X-Sum": {"1"}}
	return r
}

var sameCases = []sameCase{
	{name: "pass", chain: [][]string{{"* trace"}, {"* trace"}}, request: plainGet},
	{name: "header-maps", request: plainGet, chain: one(
		"request_headers pairs 0", "request_headers get 0 X-Dup", "request_headers get 0 x-none", "request_headers set 0 x-dup 3", "request_headers add 0 x-dup 4",
		"request_headers remove 0 accept", "request_headers pairs 0", "request_headers get 2 :status", "request_headers pairs 2", "request_headers add 2 a b",
		"request_headers map-size 1", "request_headers get 99 a", "request_headers pairs 6", "request_headers get 1 a", "request_headers pairs 99",
		"response_headers get 0 :path", "response_headers get 2 :status", "response_headers pairs 0", "log get 0 x-dup", "log get 2 :status", "log get 3 x", "log get 1 x", "log add 0 x y", "log map-size 0", "log set 2 x y",
	)},
	{name: "set-pairs", request: plainGet, chain: one("request_headers set-pairs 0 X-A=1 :path=/p :method=GET :authority=h :scheme=http", "request_headers pairs 0", "request_headers map-size 0")},
	{name: "garbage", request: plainGet, chain: one("request_headers garbage", "request_headers pairs 0", "request_headers set-pairs 0 :path=/ :method=GET :authority=h :scheme=http")},
	{name: "overrun", request: plainGet, chain: one("request_headers overrun")},
	{name: "properties", request: plainGet, chain: one(
		"request_headers property request|url_path", "request_headers property request|query", "request_headers property request|host", "request_headers property request|method", "request_headers property request|path",
		"request_headers property request|headers|x-dup", "request_headers property request|id", "request_headers property request|protocol", "request_headers property request|scheme", "request_headers property request|nothing",
		"request_headers property request|referer", "request_headers property request|useragent", "request_headers property nothing", "request_headers property node|id", "request_headers property node|cluster", "request_headers property node|nothing",
		"request_headers property response|code", "request_headers property response|code_details", "request_headers property connection|mtls", "request_headers property plugin_vm_id", "request_headers property plugin_name",
		"request_headers property cluster_name", "request_headers property route_name", "request_headers property xds|cluster_name", "request_headers property xds|route_name", "request_headers property request|headers|x-none",
		"request_headers property filter_state|none", "request_headers property request|size", "request_headers property response|flags", "request_headers property request|headers|x-dup|more", "request_headers property plugin_name|more",
		"response_headers property request|path", "response_headers property request|id", "response_headers property request|protocol", "response_headers property response|code", "response_headers property response|code_details", "response_headers property response|headers|x-path",
		"response_headers property cluster_name", "response_headers property request|duration",
		"log property request|path", "log property response|code", "log property response|code_details", "log property response|headers|x-path", "log property response|flags",
	)},
	{name: "root-properties", request: plainGet, chain: one(
		"configure queue root-properties", "request_headers enqueue - root-properties x", "request_headers call cluster /answer 5000", "request_headers return 1", "call_response continue 0",
		"queue_ready property plugin_root_id", "queue_ready property plugin_name", "queue_ready property plugin_vm_id", "queue_ready property node|id", "queue_ready property node|cluster", "queue_ready property xds|node|id", "queue_ready property node",
		"queue_ready property request|path", "queue_ready property xds|cluster_name", "queue_ready set-property a b", "queue_ready property xds|listener_direction",
		"request_headers property xds|node|id", "request_headers property xds|node|cluster", "request_headers property xds|none",
	)},
	{name: "fail-closed", request: plainGet, policies: []string{"", "FAIL_CLOSED", ""}, chain: [][]string{{"* trace", "log property response|code_details"}, {"* trace", "request_headers panic"}, {"* trace"}}},
	{name: "fail-open", request: plainGet, policies: []string{"", "FAIL_OPEN", ""}, chain: [][]string{{"* trace"}, {"* trace", "request_headers panic"}, {"* trace"}}},
	{name: "known-headers-twice", request: func() *http.Request {
		return request("GET", "/", "Accept", "1", "Accept", "2", "Authorization", "1", "Authorization", "2", "Content-Type", "1", "Content-Type", "2", "Cookie", "a=1", "Cookie", "b=2", "Origin", "1", "Origin", "2", "User-Agent", "1", "User-Agent", "2",
			"Via", "1", "Via", "2", "X-Api-Key", "1", "X-Api-Key", "2", "X-Forwarded-For", "1", "X-Forwarded-For", "2", "X-Forwarded-Host", "a", "X-Forwarded-Host", "b", "X-Request-Id", "1", "X-Request-Id", "2", "Grpc-Timeout", "1", "Grpc-Timeout", "2", "Referer", "1", "Referer", "2",
			"Te", "1", "Te", "trailers", "X-Envoy-Original-Path", "/x", "X-Envoy-Max-Retries", "3", "X-Envoy-Retry-On", "5xx", "X-Envoy-Upstream-Rq-Timeout-Ms", "1", "X-Envoy-Force-Trace", "1", "X-Envoy-Original-Url", "u", "X-Envoy-Expected-Rq-Timeout-Ms", "1", "X-Envoy-Ip-Tags", "t", "X-Envoy-Internal", "true", "Connection", "x-a", "X-A", "1", "Keep-Alive", "1", "Proxy-Connection", "1", "X-Forwarded-Client-Cert", "1", "X-Envoy-External-Address", "1.2.3.4", "X-Envoy-Decorator-Operation", "op", "X-Forwarded-Proto", "https", "If-None-Match", "1", "If-None-Match", "2", "Cache-Control", "1", "Cache-Control", "2", "Pragma", "1", "Pragma", "2", "Accept-Encoding", "1", "Accept-Encoding", "2", "Etag", "1", "Etag", "2")
	}, chain: one("request_headers pairs 0", "request_headers add 0 user-agent 3", "request_headers add 0 x-api-key 3", "request_headers get 0 user-agent", "request_headers add 0 :path x", "request_headers get 0 :path")},
	{name: "known-response-headers-twice", request: func() *http.Request { return request("GET", "/twice") }, relaxed: sortedPairs, chain: one("response_headers pairs 2", "response_headers add 2 vary 3", "response_headers get 2 vary")},
	{name: "no-method", request: plainGet, chain: one("* trace", "request_headers remove 0 :method", "log property response|code_details")},
	{name: "no-scheme", request: plainGet, chain: one("* trace", "request_headers remove 0 :scheme", "log property response|code_details")},
	{name: "too-much", request: withBody(strings.Repeat("x", 1<<20+1)), chain: one("request_body return 1", "response_headers pairs 2", "log property response|code_details")},
	{name: "filter-state", request: plainGet, chain: [][]string{
		{"request_headers set-property a.decision yes indeed", "request_headers property a.decision", "request_headers property filter_state|wasm.a.decision", "log property a.decision", "log set-property late 1", "log property late"},
		{"request_headers property a.decision", "response_headers set-property back 1", "request_headers set-property a.decision no"},
	}},
	{name: "buffers", request: plainGet, chain: one(
		"request_headers buffer 0 0 9", "request_headers buffer 1 0 9", "request_headers buffer 4 0 9", "request_headers buffer 5 0 9", "request_headers buffer 6 0 9", "request_headers buffer 7 0 9", "request_headers buffer 8 0 9", "request_headers buffer 99 0 9",
		"request_headers set-buffer 0 0 9 x", "request_headers set-buffer 6 0 9 x", "request_headers buffer-size 0", "request_headers buffer-size 7",
	)},
	{name: "metrics", request: plainGet, chain: one(
		"request_headers count 0 c 2", "request_headers count 0 c 0", "request_headers count 0 c -1", "request_headers metric 0 c", "request_headers record 0 c 5", "request_headers metric 0 c",
		"request_headers record 1 g 9", "request_headers count 1 g -2", "request_headers metric 1 g", "request_headers count 2 h 1", "request_headers metric 2 h", "request_headers count 3 x 1",
	)},
	{name: "shared-data", request: plainGet, relaxed: withoutCAS, chain: one(
		"request_headers shared new", "request_headers share new 77 a", "request_headers shared new", "request_headers share new 4294967295 b", "request_headers share new 0 c", "request_headers shared new", "request_headers share empty 0 ", "request_headers shared empty",
	)},
	{name: "odds", request: plainGet, chain: one(
		"request_headers level", "request_headers foreign clear_route_cache", "request_headers foreign nope", "request_headers proxy-done", "request_headers continue 9", "request_headers continue 3", "request_headers continue 2", "request_headers close 9",
		"request_headers status", "request_headers call nowhere /x 100", "request_headers call cluster - 100", "request_headers call cluster /x 4294967295",
	)},
	{name: "local-reply", request: plainGet, chain: [][]string{
		{"* trace", "response_headers add 2 x-first yes", "response_headers property response|code_details"},
		{"* trace", "request_headers reply 403 no+way x-code=42 denied", "request_headers log goes on"},
		{"* trace", "log property response|code_details", "log get 0 :path", "log get 2 :status"},
	}},
	{name: "local-reply-empty", request: plainGet, chain: one("* trace", "request_headers reply 204 ok content-type=a/b,content-length=5,x-a=1,x-a=2", "response_headers pairs 2")},
	{name: "local-reply-content-type", request: plainGet, chain: one("* trace", "request_headers reply 429 limited content-type=application/json,content-length=99 {}", "response_headers pairs 2")},
	{name: "local-reply-head", request: func() *http.Request { return request("HEAD", "/") }, chain: one("* trace", "request_headers reply 429 limited - {}", "response_headers pairs 2")},
	{name: "local-reply-grpc", request: func() *http.Request { return request("POST", "/s/m", "Content-Type", "application/grpc") }, chain: one("* trace", "request_headers reply 403 denied - no entry %", "response_headers pairs 2")},
	{name: "local-reply-twice", request: plainGet, chain: one("* trace", "request_headers reply 403 a - first", "request_headers reply 404 b - second")},
	{name: "local-reply-body", request: withBody("abc"), chain: [][]string{{"* trace"}, {"* trace", "request_body reply 400 bad - bad body"}}},
	{name: "local-reply-response", request: plainGet, chain: [][]string{{"* trace"}, {"* trace", "response_headers reply 502 bad - replaced"}}},
	{name: "close", request: plainGet, chain: one("* trace", "request_headers close 0", "request_headers return 1", "log property response|code_details")},
	{name: "body", request: withBody("hello"), chain: [][]string{
		{"* trace", "request_body buffer 0 0 99", "request_body set-buffer 0 0 0 <", "request_body set-buffer 0 1 1 no", "request_headers remove 0 content-length", "request_body buffer 0 1 3"},
		{"* trace", "response_body buffer 1 0 99"},
	}},
	{name: "body-buffered", request: withBody("hello"), chain: [][]string{
		{"* trace", "request_body return-unless-end 1", "request_body buffer 0 0 99", "response_body return-unless-end 1"}, {"* trace"},
	}},
	{name: "body-watermark", request: withBody("hello"), chain: [][]string{{"* trace", "request_body return-unless-end 2", "request_body buffer 0 0 99"}, {"* trace"}}},
	{name: "body-dropped", request: withBody("hello"), chain: [][]string{{"* trace", "request_headers remove 0 content-length", "request_body return-unless-end 3", "request_body buffer 0 0 99"}, {"* trace"}}},
	{name: "trailers", request: withTrailers, chain: [][]string{{"* trace", "request_trailers pairs 1", "request_body return 1"}, {"* trace"}}},
	{name: "http-call", request: plainGet, chain: [][]string{
		{"* trace", "request_headers call cluster /answer 5000 question", "request_headers return 1", "call_response get 6 :status", "call_response get 6 x-answer", "call_response buffer 4 0 99", "call_response buffer-size 4", "call_response get 7 x",
			"call_response get 0 :path", "call_response set 0 x-called yes", "call_response continue 0", "call_response get 0 :path", "call_response set 0 x-late yes"},
		{"* trace", "request_headers get 0 x-called"},
	}},
	{name: "http-call-reply", request: plainGet, chain: one("* trace", "request_headers call cluster /answer 5000 question", "request_headers return 1", "call_response reply 401 who - who?")},
	{name: "http-call-timeout", request: plainGet, chain: one("* trace", "request_headers call cluster /slow 50", "request_headers return 1", "call_response pairs 6", "call_response buffer 4 0 99", "call_response continue 0")},
	{name: "http-call-reset", request: plainGet, chain: one("* trace", "request_headers call cluster /reset 5000", "request_headers return 1", "call_response pairs 6", "call_response buffer 4 0 99", "call_response status", "call_response continue 0")},
	{name: "http-call-in-body", request: withBody("hello"), chain: [][]string{{"* trace", "request_headers call cluster /answer 5000 q", "request_headers return 1", "call_response continue 0"}, {"* trace"}}},
	{name: "response-paused", request: plainGet, chain: [][]string{{"* trace"}, {"* trace", "response_headers call cluster /answer 5000 q", "response_headers return 1", "call_response add 2 x-late yes", "call_response continue 1"}}},
	{name: "no-path", request: plainGet, chain: one("* trace", "request_headers remove 0 :path", "log property response|code_details")},
	{name: "no-status", request: plainGet, chain: one("response_headers remove 2 :status", "log property response|code_details")},
	{name: "queue", request: plainGet, relaxed: withoutToken, chain: one("configure queue q", "request_headers enqueue - q hello", "request_headers enqueue - none x", "queue_ready dequeue", "queue_ready dequeue", "request_headers call cluster /answer 5000", "request_headers return 1", "call_response continue 0")},
}

// withoutToken drops the token, which depends on what other queues there are.
func withoutToken(line string) string {
	if strings.Contains(line, " enqueue ") {
		line, _, _ = strings.Cut(line, " = ")
	}
	return line
}

// sortedPairs sorts pairs, for net/http's server and the harness differ in
// where they put content-length, and drops the date.
func sortedPairs(line string) string {
	line = regexp.MustCompile(` date=[^=]* GMT`).ReplaceAllString(line, "")
	before, pairs, _ := strings.Cut(line, " = ")
	fields := strings.Fields(pairs)
	slices.Sort(fields)
	return before + " = " + strings.Join(fields, " ")
}

// withoutCAS drops the number, which depends on what else has been shared.
func withoutCAS(line string) string {
	before, _, _ := strings.Cut(line, " cas ")
	return before
}

var twice = []string{
	"Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
	"Age", "Allow", "Cache-Control", "Content-Encoding", "Content-Language", "Content-Type", "Etag", "Expires", "Grpc-Message", "Grpc-Status", "Last-Modified", "Link", "Location", "Pragma", "Proxy-Status", "Retry-After", "Set-Cookie",
	"Strict-Transport-Security", "Vary", "Via", "Warning", "Www-Authenticate", "X-Frame-Options", "X-Request-Id", "X-Custom", "X-Ratelimit-Limit", "X-Envoy-Ratelimited", "X-Envoy-Degraded", "Keep-Alive", "Proxy-Connection", "Content-Security-Policy", "Ratelimit", "Ratelimit-Policy",
}

// oracleUpstream answers the same for both.
var oracleUpstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	if r.URL.Path == "/twice" {
		for _, name := range twice {
			w.Header()[name] = []string{"1", "2"}
		}
	}
	w.Header().Set("X-Path", r.RequestURI)
	w.Header().Set("X-Got-Dup", strings.Join(r.Header["X-Dup"], "|"))
	w.Header().Set("X-Got", r.Header.Get("X-A")+r.Header.Get("X-Called")+r.Header.Get("X-Late"))
	_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, content)
})

var oracleCluster = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	switch r.URL.Path {
	case "/slow":
		<-r.Context().Done()
	case "/reset":
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Answer", r.Method)
	_, _ = fmt.Fprintf(w, "%s?", content)
})

// outcome is what can be compared.
type outcome struct {
	status  int
	body    string
	headers string
	logs    []string
}

func (o outcome) String() string {
	return fmt.Sprintf("%d %q\n%s\n%s", o.status, o.body, o.headers, strings.Join(o.logs, "\n"))
}

// comparable headers: all but those that only Envoy or net/http adds.
func outcomeOf(response *http.Response, err error) outcome {
	if err != nil {
		return outcome{}
	}
	content, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	var lines []string
	for name, values := range response.Header {
		if name != "Date" && name != "Server" && name != "X-Envoy-Upstream-Service-Time" && name != "Transfer-Encoding" && name != "Connection" && name != "Content-Length" && name != "Keep-Alive" && name != "Proxy-Connection" {
			lines = append(lines, fmt.Sprint(name, values))
		}
	}
	slices.Sort(lines)
	return outcome{status: response.StatusCode, body: string(content), headers: strings.Join(lines, " ")}
}

// TestSameAsEnvoy runs the same scripts in the harness and in the real Envoy
// and compares what the client gets and what the guest was told.
func TestSameAsEnvoy(t *testing.T) {
	envoy := startEnvoy(t)
	for i, c := range sameCases {
		t.Run(c.name, func(t *testing.T) {
			want := envoy.run(t, i, c)
			got := inHarness(t, c)
			if got.String() != want.String() {
				t.Errorf("harness:\n%s\nEnvoy:\n%s", got, want)
			}
		})
	}
}

func rootID(c sameCase, position int) string { return fmt.Sprintf("%s-%d", c.name, position) }

func caseScript(lines []string) string {
	return strings.Join(append(slices.Clone(lines), "delete log end"), "\n")
}

// vmOf is the vm_id and the fail policy of one of a case's filters.
func (c sameCase) vmOf(i int) (vmID, policy string) {
	if c.policies == nil || c.policies[i] == "" {
		return "vm", "FAIL_CLOSED"
	}
	return c.name, c.policies[i]
}

// ends is how many filters of the case come to their end.
func (c sameCase) ends() int {
	n := 0
	for i := range c.chain {
		if vmID, _ := c.vmOf(i); vmID == "vm" {
			n++
		}
	}
	return n
}

func inHarness(t *testing.T, c sameCase) outcome {
	var filters []testharness.Filter
	for i, lines := range c.chain {
		vmID, policy := c.vmOf(i)
		filters = append(filters, script().WithVMID(vmID).WithName("p").WithRootID(rootID(c, i)).WithConfiguration([]byte(caseScript(lines))).
			WithFailPolicy(map[string]testharness.FailPolicy{"FAIL_CLOSED": testharness.FailClosed, "FAIL_OPEN": testharness.FailOpen}[policy]))
	}
	p := start(t, testharness.NewProxyConfig().WithNodeID("node").WithFilters(filters...).WithUpstream(oracleUpstream).
		WithCluster("cluster", oracleCluster).WithLongPolls(func(r *http.Request) bool { return r.URL.Path == "/slow" }))
	e, err := p.Begin(c.request())
	if err != nil {
		t.Fatal(err)
	}
	p.Advance(time.Second)
	o := outcomeOf(e.Wait(t.Context()))
	for _, entry := range p.Logs() {
		// What a guest wrote to stderr as it died comes in other pieces.
		if entry.Worker >= 0 && entry.RootID != "" && entry.Level == testharness.LogInfo {
			o.logs = append(o.logs, c.line(entry.RootID, entry.Message))
		}
	}
	o.logs = sinceRequest(o.logs)
	return o
}

// line is a logged line as it is compared.
func (c sameCase) line(rootID, message string) string {
	if c.relaxed != nil {
		message = c.relaxed(message)
	}
	// Tokens count in a VM that all cases share in Envoy.
	if strings.Contains(message, " call cluster ") && !strings.Contains(message, "!") {
		message, _, _ = strings.Cut(message, " = ")
	}
	if strings.HasPrefix(message, "call_response token=") {
		message = "answer"
	}
	// Envoy's async client adds these to an answer.
	fields := strings.Fields(message)
	fields = slices.DeleteFunc(fields, func(f string) bool {
		return strings.HasPrefix(f, "date=") || strings.HasPrefix(f, "server=") || strings.HasPrefix(f, "x-envoy-upstream-service-time=")
	})
	return rootID + ": " + strings.Join(fields, " ")
}

// sinceRequest leaves out what was logged when the worker's VM was configured.
func sinceRequest(lines []string) []string {
	for i, line := range lines {
		for _, start := range []string{"configure", "vm_start"} {
			if strings.HasSuffix(line, ": "+start) || strings.Contains(line, ": "+start+" ") {
				return sinceRequest(lines[i+1:])
			}
		}
	}
	return lines
}

// oracle is a running Envoy with one listener a case.
type oracle struct {
	addresses []string
	mu        sync.Mutex
	changed   *sync.Cond
	lines     []string // "THREAD LEVEL message"
	ended     bool
}

func startEnvoy(t *testing.T) *oracle {
	t.Helper()
	binary, err := filepath.Abs(filepath.Join("..", ".tools", "envoy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("no Envoy at %s: run `make tools` to fetch it", binary)
	}
	upstream, cluster := httptest.NewServer(oracleUpstream), httptest.NewServer(oracleCluster)
	t.Cleanup(upstream.Close)
	t.Cleanup(cluster.Close)
	dir := t.TempDir()
	bootstrap := filepath.Join(dir, "envoy.json")
	content, err := json.Marshal(envoyConfig(upstream.Listener.Addr(), cluster.Listener.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bootstrap, content, 0o600); err != nil {
		t.Fatal(err)
	}
	adminPath := filepath.Join(dir, "admin")
	command := exec.CommandContext(t.Context(), binary, "-c", bootstrap, "--concurrency", "1", "--disable-hot-restart", "--admin-address-path", adminPath,
		"-l", "warning", "--component-log-level", "wasm:info", "--log-format", "%t %l %v")
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	o := &oracle{}
	o.changed = sync.NewCond(&o.mu)
	read := make(chan struct{})
	go func() { defer close(read); o.read(stderr) }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-read
		_ = command.Wait()
	})
	o.findListeners(t, adminPath)
	return o
}

// read takes Envoy's log apart into thread and message.
func (o *oracle) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		o.mu.Lock()
		o.lines = append(o.lines, scanner.Text())
		o.changed.Broadcast()
		o.mu.Unlock()
	}
	o.mu.Lock()
	o.ended = true
	o.changed.Broadcast()
	o.mu.Unlock()
}

// findListeners asks Envoy where it listens, once it does.
func (o *oracle) findListeners(t *testing.T, adminPath string) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		if address, err := os.ReadFile(adminPath); err == nil && len(address) > 0 {
			if o.ready(string(address)) {
				return
			}
		}
		o.mu.Lock()
		ended, lines := o.ended, strings.Join(o.lines, "\n")
		o.mu.Unlock()
		if ended || time.Now().After(deadline) {
			t.Fatalf("Envoy did not start:\n%s", lines)
		}
		time.Sleep(20 * time.Millisecond) // Envoy tells of its start in no other way
	}
}

func (o *oracle) ready(admin string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + admin + "/ready")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false
	}
	response, err = client.Get("http://" + admin + "/listeners?format=json")
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	var listeners struct {
		Statuses []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if json.NewDecoder(response.Body).Decode(&listeners) != nil || len(listeners.Statuses) != len(sameCases) {
		return false
	}
	o.addresses = make([]string, len(sameCases))
	for _, s := range listeners.Statuses {
		i := slices.IndexFunc(sameCases, func(c sameCase) bool { return c.name == s.Name })
		o.addresses[i] = fmt.Sprintf("%s:%d", s.Address.Socket.Address, s.Address.Socket.Port)
	}
	return true
}

// run sends a case's request to Envoy, as bytes, and collects what its filters
// logged on the worker until the last of them has ended.
func (o *oracle) run(t *testing.T, i int, c sameCase) outcome {
	t.Helper()
	conn, err := net.Dial("tcp", o.addresses[i])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	r := c.request()
	if _, err := conn.Write(rawRequest(r)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	got := outcomeOf(http.ReadResponse(bufio.NewReader(conn), r))
	got.logs = sinceRequest(o.logsOf(t, c))
	return got
}

func (o *oracle) logsOf(t *testing.T, c sameCase) []string {
	t.Helper()
	giveUp := time.AfterFunc(20*time.Second, func() { o.mu.Lock(); defer o.mu.Unlock(); o.ended = true; o.changed.Broadcast() })
	defer giveUp.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		var logs []string
		ends := 0
		for _, line := range o.lines {
			thread, text, _ := strings.Cut(line, " ")
			text, found := strings.CutPrefix(text, "info wasm log ")
			text = strings.TrimPrefix(text, "p ") // not there for root contexts
			rest, ok := strings.CutPrefix(text, c.name+"-")
			ok = ok && found
			if !ok || thread == o.mainThread() {
				continue
			}
			position, message, ok := strings.Cut(rest, " vm: ")
			if !ok {
				position, message, _ = strings.Cut(rest, " "+c.name+": ")
			}
			if message == "end" {
				ends++
			}
			logs = append(logs, c.line(c.name+"-"+position, message))
		}
		if ends >= c.ends() {
			return logs
		}
		if o.ended {
			t.Fatalf("no end was logged:\n%s", strings.Join(logs, "\n"))
		}
		o.changed.Wait()
	}
}

// mainThread is the thread that logged first: it tries every plugin.
func (o *oracle) mainThread() string {
	for _, line := range o.lines {
		if thread, text, _ := strings.Cut(line, " "); strings.HasPrefix(text, "info wasm log") {
			return thread
		}
	}
	return ""
}

func rawRequest(r *http.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Host)
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if r.Body == nil {
		b.WriteString("\r\n")
		return b.Bytes()
	}
	content, _ := io.ReadAll(r.Body)
	if len(r.Trailer) == 0 {
		fmt.Fprintf(&b, "\r\n%s", content)
		return b.Bytes()
	}
	fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: %s\r\n\r\n", len(content), content, r.Trailer.Get("X-Sum"))
	return b.Bytes()
}

type object = map[string]any

func envoyConfig(upstream, cluster net.Addr) object {
	var listeners []object
	for _, c := range sameCases {
		listeners = append(listeners, listener(c))
	}
	return object{
		"node":  object{"id": "node", "cluster": "testharness"},
		"admin": object{"address": address("127.0.0.1", 0)},
		"static_resources": object{
			"listeners": listeners,
			"clusters":  []object{endpoint("upstream", upstream), endpoint("cluster", cluster)},
		},
	}
}

func address(host string, port int) object {
	return object{"socket_address": object{"address": host, "port_value": port}}
}

func endpoint(name string, at net.Addr) object {
	tcp := at.(*net.TCPAddr)
	return object{"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": object{"cluster_name": name, "endpoints": []object{
		{"lb_endpoints": []object{{"endpoint": object{"address": address(tcp.IP.String(), tcp.Port)}}}},
	}}}
}

func typed(name string, fields object) object {
	fields["@type"] = "type.googleapis.com/" + name
	return fields
}

func listener(c sameCase) object {
	var filters []object
	for i, lines := range c.chain {
		vmID, policy := c.vmOf(i)
		filters = append(filters, object{"name": rootID(c, i), "typed_config": typed("envoy.extensions.filters.http.wasm.v3.Wasm", object{"config": object{
			"name": "p", "root_id": rootID(c, i), "failure_policy": policy,
			"vm_config":     object{"vm_id": vmID, "runtime": "envoy.wasm.runtime.v8", "code": object{"local": object{"filename": guestPath}}},
			"configuration": typed("google.protobuf.StringValue", object{"value": caseScript(lines)}),
		}})})
	}
	filters = append(filters, object{"name": "router", "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", object{})})
	return object{"name": c.name, "address": address("127.0.0.1", 0), "filter_chains": []object{{"filters": []object{{
		"name": "hcm", "typed_config": typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", object{
			"stat_prefix": "in", "http_protocol_options": object{"enable_trailers": true}, "http_filters": filters,
			"route_config": object{"virtual_hosts": []object{{"name": "all", "domains": []string{"*"}, "routes": []object{
				{"name": "default", "match": object{"prefix": "/"}, "route": object{"cluster": "upstream"}},
			}}}},
		}),
	}}}}}
}
