//go:build !wasip1

package edge_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	gate "github.com/partnergate/partnergate/filters/catalog-gate"
	"github.com/partnergate/partnergate/filters/edge"
	resolution "github.com/partnergate/partnergate/filters/partner-resolution"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/quota"
	"github.com/partnergate/partnergate/filters/wire"
)

// nativeHost is a host in memory for the filters compiled natively. It keeps
// the rules of Envoy's, and allocates nothing for what it has seen before.
type nativeHost struct {
	now           uint64 // Unix milliseconds
	configuration string
	rootID        string
	request       [][2]string
	properties    map[string][]byte
	shared        map[string]*nativeValue
	queues        map[string]uint32
	items         map[uint32][][]byte
	counted       map[uint32]int64 // by the metric's id
	calls         []nativeCall
	answer        *httptest.ResponseRecorder
	replies       int
	status        uint32
	continued     int
	watched       int
	logs          []string
	lacks         string // what it answers unimplemented
}

// noTicks reports that nobody asked for ticks, or nobody gives them.
func (h *nativeHost) noTicks() bool { return h.lacks == "ticks" || h.lacks == "effective_context" }

// without is the status of a function that the host may not have.
func (h *nativeHost) without(what string) proxywasm.Status {
	if h.lacks == what {
		return proxywasm.StatusUnimplemented
	}
	return proxywasm.StatusOK
}

type nativeValue struct {
	value []byte
	cas   uint32
}

type nativeCall struct {
	path, body string
	headers    http.Header
}

func newNativeHost(rootID, configuration string) *nativeHost {
	return &nativeHost{
		now: 1_700_000_000_000, rootID: rootID, configuration: configuration,
		properties: map[string][]byte{}, shared: map[string]*nativeValue{}, queues: map[string]uint32{},
		items: map[uint32][][]byte{}, counted: map[uint32]int64{},
	}
}

func (h *nativeHost) Log(_ uint32, message string) { h.logs = append(h.logs, message) }

func (h *nativeHost) CurrentTimeNanoseconds() (uint64, proxywasm.Status) {
	return h.now * 1_000_000, proxywasm.StatusOK
}
func (h *nativeHost) SetTickPeriod(uint32) proxywasm.Status { return h.without("ticks") }
func (h *nativeHost) SetEffectiveContext(uint32) proxywasm.Status {
	return h.without("effective_context")
}
func (h *nativeHost) Environment() []string { return nil }

func (h *nativeHost) Property(path string) ([]byte, proxywasm.Status) {
	switch path {
	case "plugin_root_id":
		return []byte(h.rootID), proxywasm.StatusOK
	case "response\x00code":
		return h.responseCode(), proxywasm.StatusOK
	}
	value, ok := h.properties[path]
	if !ok || len(value) == 0 {
		return nil, proxywasm.StatusNotFound
	}
	return value, proxywasm.StatusOK
}

var twoHundred = []byte{200, 0, 0, 0, 0, 0, 0, 0}

func (h *nativeHost) responseCode() []byte { return twoHundred }

func (h *nativeHost) SetProperty(path string, value []byte) proxywasm.Status {
	if held, ok := h.properties[path]; ok {
		h.properties[path] = append(held[:0], value...)
		return proxywasm.StatusOK
	}
	h.properties[strings.Clone(path)] = bytes.Clone(value)
	return proxywasm.StatusOK
}

func (h *nativeHost) Buffer(kind, start, size uint32) ([]byte, proxywasm.Status) {
	var all []byte
	switch kind {
	case 7: // plugin configuration
		all = []byte(h.configuration)
	case 4: // body of a call's answer
		all = h.answer.Body.Bytes()
	}
	if int(start) >= len(all) {
		return nil, proxywasm.StatusOK
	}
	return all[start:min(int(start)+int(size), len(all))], proxywasm.StatusOK
}

func (h *nativeHost) Header(kind uint32, name string) (string, proxywasm.Status) {
	if kind == 6 { // of a call's answer
		if name == ":status" {
			return "200", proxywasm.StatusOK
		}
		return h.answer.Header().Get(name), proxywasm.StatusOK
	}
	for i := range h.request {
		if h.request[i][0] == name {
			return h.request[i][1], proxywasm.StatusOK
		}
	}
	return "", proxywasm.StatusNotFound
}

func (h *nativeHost) Headers(uint32) ([][2]string, proxywasm.Status) {
	return h.request, proxywasm.StatusOK
}
func (h *nativeHost) AddHeader(uint32, string, string) proxywasm.Status { return proxywasm.StatusOK }
func (h *nativeHost) ReplaceHeader(uint32, string, string) proxywasm.Status {
	return proxywasm.StatusOK
}
func (h *nativeHost) RemoveHeader(uint32, string) proxywasm.Status { return proxywasm.StatusOK }

func (h *nativeHost) ContinueStream(uint32) proxywasm.Status {
	h.continued++
	return proxywasm.StatusOK
}

func (h *nativeHost) SendLocalResponse(status uint32, _ [][2]string, _ []byte, _ int32) proxywasm.Status {
	h.replies++
	h.status = status
	return proxywasm.StatusOK
}

func (h *nativeHost) HTTPCall(_ string, headers [][2]string, body []byte, _ [][2]string, _ uint32) (uint32, proxywasm.Status) {
	if status := h.without("http_calls"); status != proxywasm.StatusOK {
		return 0, status
	}
	call := nativeCall{body: string(body), headers: http.Header{}}
	for _, pair := range headers {
		if pair[0] == ":path" {
			call.path = strings.Clone(pair[1])
		}
		call.headers.Add(strings.Clone(pair[0]), strings.Clone(pair[1]))
	}
	h.calls = append(h.calls, call)
	return uint32(len(h.calls)), proxywasm.StatusOK
}

func (h *nativeHost) SharedData(key string) ([]byte, uint32, proxywasm.Status) {
	v, ok := h.shared[key]
	if status := h.without("shared_data"); !ok && status == proxywasm.StatusOK {
		return nil, 0, proxywasm.StatusNotFound
	} else if status != proxywasm.StatusOK {
		return nil, 0, status
	}
	return v.value, v.cas, proxywasm.StatusOK
}

func (h *nativeHost) SetSharedData(key string, value []byte, cas uint32) proxywasm.Status {
	if status := h.without("shared_data"); status != proxywasm.StatusOK {
		return status
	}
	v, ok := h.shared[key]
	if !ok {
		v = &nativeValue{}
		h.shared[strings.Clone(key)] = v
	} else if cas != 0 && cas != v.cas {
		return proxywasm.StatusCasMismatch
	}
	v.value = append(v.value[:0], value...)
	v.cas++
	return proxywasm.StatusOK
}

func (h *nativeHost) RegisterQueue(name string) (uint32, proxywasm.Status) {
	if status := h.without("shared_queues"); status != proxywasm.StatusOK {
		return 0, status
	}
	if h.queues[name] == 0 {
		h.queues[strings.Clone(name)] = uint32(len(h.queues) + 1)
	}
	return h.queues[name], proxywasm.StatusOK
}

func (h *nativeHost) ResolveQueue(_, name string) (uint32, proxywasm.Status) {
	if id := h.queues[name]; id != 0 {
		return id, proxywasm.StatusOK
	}
	return 0, proxywasm.StatusNotFound
}

func (h *nativeHost) Enqueue(queue uint32, value []byte) proxywasm.Status {
	h.items[queue] = append(h.items[queue], bytes.Clone(value))
	return proxywasm.StatusOK
}

func (h *nativeHost) Dequeue(queue uint32) ([]byte, proxywasm.Status) {
	if len(h.items[queue]) == 0 {
		return nil, proxywasm.StatusEmpty
	}
	first := h.items[queue][0]
	h.items[queue] = h.items[queue][1:]
	return first, proxywasm.StatusOK
}

// nativeMetrics are the metrics that were defined, by name: their definitions
// outlive a native VM.
var nativeMetrics = map[string]uint32{}

func (h *nativeHost) DefineMetric(kind uint32, name string) (uint32, proxywasm.Status) {
	if nativeMetrics[name] == 0 {
		nativeMetrics[strings.Clone(name)] = uint32(len(nativeMetrics)+1)<<2 | kind
	}
	return nativeMetrics[name], proxywasm.StatusOK
}
func (h *nativeHost) IncrementMetric(id uint32, by int64) proxywasm.Status {
	h.counted[id] += by
	return proxywasm.StatusOK
}
func (h *nativeHost) RecordMetric(uint32, uint64) proxywasm.Status { return proxywasm.StatusOK }
func (h *nativeHost) Metric(uint32) (uint64, proxywasm.Status)     { return 0, proxywasm.StatusOK }

// answerCalls lets the manager answer the calls made since the last time.
func (h *nativeHost) answerCalls(call proxywasm.Callbacks, manager http.Handler, from int) (next int) {
	ended, cancel := context.WithCancel(context.Background())
	cancel() // a watch without news ends at once
	for ; from < len(h.calls); from++ {
		c := h.calls[from]
		if c.path == wire.WatchPath {
			if h.watched++; h.watched > 1 {
				continue // it waits for news
			}
		}
		r := httptest.NewRequest("POST", c.path, strings.NewReader(c.body)).WithContext(ended)
		r.Host, r.Header = "partnergate.internal", c.headers
		h.answer = httptest.NewRecorder()
		manager.ServeHTTP(h.answer, r)
		call.OnHTTPCallResponse(1, uint32(from+1), 3, uint32(h.answer.Body.Len()), 0)
	}
	return from
}

// nativeVMs counts the VMs that were started.
var nativeVMs int

// nativeVM starts the combined filter as root context 1.
func nativeVM(t *testing.T, rootID string, stub http.Handler) (*nativeHost, proxywasm.Callbacks) {
	t.Helper()
	return nativeVMOn(t, rootID, "", stub)
}

// nativeVMOn starts it on a host that lacks something.
func nativeVMOn(t *testing.T, rootID, lacks string, stub http.Handler) (*nativeHost, proxywasm.Callbacks) {
	t.Helper()
	return nativeFilter(edge.Filter{
		RootID: rootID, Steps: []edge.Step{resolution.Step, gate.Step, quota.Step}, Trailers: resolution.Trailers,
		Passed: quota.Identify, Counts: true,
	}, lacks, stub)
}

func nativeFilter(filter edge.Filter, lacks string, stub http.Handler) (*nativeHost, proxywasm.Callbacks) {
	edge.Register(filter)
	// A namespace of its own: edges outlive a native VM.
	nativeVMs++
	h := newNativeHost(filter.RootID, strings.Replace(configuration, `"partnergate"`, `"`+strconv.Itoa(nativeVMs)+`"`, 1))
	h.lacks = lacks
	call := proxywasm.Attach(h)
	call.OnContextCreate(1, 0)
	call.OnVMStart(1, 0)
	call.OnConfigure(1, uint32(len(h.configuration)))
	answered := 0
	for range 5 {
		if h.now += 100; h.noTicks() {
			break
		}
		call.OnTick(1)
		answered = h.answerCalls(call, stub, answered)
	}
	return h, call
}

// stream runs a whole stream.
func (h *nativeHost) stream(call proxywasm.Callbacks, id uint32) {
	for name := range h.properties {
		h.properties[name] = h.properties[name][:0]
	}
	call.OnContextCreate(id, 1)
	call.OnRequestHeaders(id, uint32(len(h.request)), true)
	call.OnResponseHeaders(id, 2, false)
	call.OnDone(id)
	call.OnLog(id)
	call.OnDelete(id)
}

// TestRequestsAllocateNothing runs whole streams, admitted by leases of all
// kinds, and refused.
func TestRequestsAllocateNothing(t *testing.T) {
	source := estate(1)
	source.Plans[0].Limits = []policy.SourceLimit{
		{Name: "throughput", Kind: policy.RatePerSecond, Requests: 1000, Burst: 1_000_000},
		{Name: "daily", Kind: policy.QuotaPerDay, Requests: 1 << 40},
		{Name: "all", Kind: policy.QuotaPerMonth, Scope: policy.ScopePartner, Requests: 1 << 40},
		{Name: "in-flight", Kind: policy.InFlight, Requests: 10},
	}
	stub := newStub(source)
	stub.grants = plenty
	h, call := nativeVM(t, "partnergate", stub)
	key := func(value string) [][2]string {
		return [][2]string{
			{":authority", sandboxHost}, {":path", "/v1/pay?a=b"}, {":method", "GET"}, {":scheme", "http"},
			{"accept", "*/*"}, {"user-agent", "test"}, {"x-request-id", "7b9c2f9e-6a1b-4c6e-9f62-2a9d6f2f1c11"}, {"x-api-key", value},
			{"x-partner-id", "globex"},
		}
	}
	h.request = key(acmeKey)
	call.OnContextCreate(2, 1)
	call.OnRequestHeaders(2, 9, true) // it waits for leases
	if h.replies != 0 || h.continued != 0 {
		t.Fatalf("the first request does not wait: %d, continued %d", h.status, h.continued)
	}
	waits := len(h.calls)
	for queue := range h.items {
		call.OnQueueReady(1, queue)
	}
	h.answerCalls(call, stub, waits)
	for queue := range h.items {
		call.OnQueueReady(1, queue)
	}
	if h.continued != 1 {
		t.Fatalf("the first request was not resumed: %d replies, the last %d", h.replies, h.status)
	}
	call.OnDone(2)
	call.OnLog(2)
	call.OnDelete(2)
	id := uint32(2)
	for name, request := range map[string][][2]string{"admitted": key(acmeKey), "refused": key(unissuedKey)} {
		h.request = request
		replies, calls := h.replies, len(h.calls)
		h.now += 2000
		call.OnTick(1) // what was gathered is flushed, with room for what comes
		run := func() {
			id++
			h.stream(call, id)
		}
		for range 60 {
			run() // past what is logged of a second
		}
		if n := testing.AllocsPerRun(2000, run); n > 0 {
			t.Errorf("%s: %v allocations a request", name, n)
		}
		if refused := h.replies > replies; refused != (name == "refused") {
			t.Errorf("%s: %d refusals, the last %d", name, h.replies-replies, h.status)
		}
		if made := len(h.calls) - calls; made > 1 {
			t.Errorf("%s: %d calls to the manager", name, made)
		}
	}
}

// TestFilterKeepsUpWithTheOneBefore has the gate in a VM of its own, which has
// not heard of the policy yet that the filter before decided by: it takes that
// policy over rather than decide by an older one.
func TestFilterKeepsUpWithTheOneBefore(t *testing.T) {
	less := estate(1)
	less.Grants = less.Grants[2:] // without those of acme
	ahead, _ := nativeFilter(gate.Filter, "", newStub(estate(2)))
	h, call := nativeFilter(gate.Filter, "", newStub(less))
	h.request = [][2]string{{":authority", sandboxHost}, {":path", "/v1/pay"}, {":method", "GET"}}
	q := policy.Request{Method: "GET", Host: sandboxHost, Path: "/v1/pay", Key: acmeKey, Keys: 1, Now: int64(h.now)}
	ask := func(id uint32, source *policy.Source) {
		d := compile(t, source).Resolve(&q)
		h.properties["partnergate.decision"] = d.Append(nil)
		call.OnContextCreate(id, 1)
		call.OnRequestHeaders(id, uint32(len(h.request)), true)
	}
	if ask(2, less); h.status != 404 || h.replies != 1 {
		t.Fatalf("by the policy without the grant: %d", h.status)
	}
	namespace := func(h *nativeHost) string {
		for key := range h.shared {
			if prefix, ok := strings.CutSuffix(key, "state"); ok {
				return prefix
			}
		}
		return ""
	}
	theirs, ours := namespace(ahead), namespace(h)
	for key, value := range ahead.shared {
		if strings.HasSuffix(key, "/state") || strings.Contains(key, "/manifest/") {
			value.value[0]++ // the serial: it was the first policy there, too
		}
		h.shared[ours+strings.TrimPrefix(key, theirs)] = value
	}
	if ask(3, estate(2)); h.replies != 1 {
		t.Errorf("after the filter before decided by the policy that has the grant: %d", h.status)
	}
}

// TestLogOfWhatIsRefusedAgain has the policy change between gate and quota: what the gate told the access log, and the final decision
// does not have, is told as what was never there.
func TestLogOfWhatIsRefusedAgain(t *testing.T) {
	suspended := estate(2)
	suspended.Partners[0].Suspended = true
	h, call := nativeFilter(quota.Filter, "", newStub(suspended))
	h.request = [][2]string{{":authority", sandboxHost}, {":path", "/v1/pay"}, {":method", "GET"}}
	q := policy.Request{Method: "GET", Host: sandboxHost, Path: "/v1/pay", Key: acmeKey, Keys: 1, Now: int64(h.now)}
	d := compile(t, estate(1)).Decide(&q)
	h.properties["partnergate.decision"] = d.Append(nil)
	h.properties["partnergate.partner"], h.properties["partnergate.product"] = []byte(d.Partner), []byte(d.Product)
	call.OnContextCreate(2, 1)
	call.OnRequestHeaders(2, uint32(len(h.request)), true)
	for name, want := range map[string]string{"outcome": "partner_suspended", "partner": d.Partner, "product": "-", "policy_version": "2"} {
		if got := string(h.properties["partnergate."+name]); got != want || d.Product == "" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
