package testharness_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
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
	for _, c := range sameCases {
		t.Run(c.name, func(t *testing.T) {
			want := envoy.run(t, c)
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
