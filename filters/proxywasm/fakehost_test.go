//go:build !wasip1

package proxywasm

import (
	"slices"
	"strings"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// fakeHost is a host in memory: what it is given it keeps, by the rules of Envoy's host.
type fakeHost struct {
	headers    map[uint32][][2]string
	properties map[string][]byte
	buffers    map[uint32][]byte
	shared     map[string]*sharedValue
	queues     map[string]uint32
	queued     map[uint32][][]byte
	metrics    map[string]uint32
	values     map[uint32]uint64
	contexts   map[uint32]bool // those that SetEffectiveContext finds
	logs       []string
	replies    []fakeReply
	calls      []fakeCall
	resumed    []uint32 // effective contexts at ContinueStream
	effective  uint32
	tick       uint32
	refuse     Status // what SendLocalResponse returns, unless 0
}

type sharedValue struct {
	value []byte
	cas   uint32
}

type fakeReply struct {
	context uint32
	status  uint32
	headers [][2]string
	body    string
	grpc    int32
}

type fakeCall struct {
	cluster           string
	headers, trailers [][2]string
	body              string
	timeout           uint32
}

func newFakeHost() *fakeHost {
	return &fakeHost{
		headers: map[uint32][][2]string{}, properties: map[string][]byte{}, buffers: map[uint32][]byte{},
		shared: map[string]*sharedValue{}, queues: map[string]uint32{}, queued: map[uint32][][]byte{},
		metrics: map[string]uint32{}, values: map[uint32]uint64{}, contexts: map[uint32]bool{},
	}
}

func (h *fakeHost) Log(level uint32, message string) {
	h.logs = append(h.logs, strings.Clone(message))
}

func (h *fakeHost) CurrentTimeNanoseconds() (uint64, Status) {
	return 1_700_000_000_000_000_000, StatusOK
}
func (h *fakeHost) Environment() []string { return []string{"A=1", "TOKEN=a=b", "EMPTY="} }

func (h *fakeHost) SetTickPeriod(milliseconds uint32) Status {
	h.tick = milliseconds
	return StatusOK
}

func (h *fakeHost) SetEffectiveContext(contextID uint32) Status {
	if !h.contexts[contextID] {
		return StatusBadArgument
	}
	h.effective = contextID
	return StatusOK
}

func (h *fakeHost) Property(path string) ([]byte, Status) {
	value, found := h.properties[path]
	return value, unless(found, StatusNotFound)
}

func (h *fakeHost) SetProperty(path string, value []byte) Status {
	h.properties[path] = append(h.properties[path][:0], value...)
	return StatusOK
}

func (h *fakeHost) Buffer(kind, start, size uint32) ([]byte, Status) {
	data, found := h.buffers[kind]
	from := min(uint64(start), uint64(len(data)))
	to := min(uint64(start)+uint64(size), uint64(len(data)))
	return data[from:to], unless(found, StatusNotFound)
}

func (h *fakeHost) Header(kind uint32, name string) (string, Status) {
	for _, pair := range h.headers[kind] {
		if pair[0] == name {
			return pair[1], StatusOK
		}
	}
	return "", StatusNotFound
}

func (h *fakeHost) Headers(kind uint32) ([][2]string, Status) { return h.headers[kind], StatusOK }

func (h *fakeHost) AddHeader(kind uint32, name, value string) Status {
	h.headers[kind] = append(h.headers[kind], copied(name, value))
	return StatusOK
}

func (h *fakeHost) ReplaceHeader(kind uint32, name, value string) Status {
	h.RemoveHeader(kind, name)
	return h.AddHeader(kind, name, value)
}

func (h *fakeHost) RemoveHeader(kind uint32, name string) Status {
	h.headers[kind] = slices.DeleteFunc(h.headers[kind], func(pair [2]string) bool { return pair[0] == name })
	return StatusOK
}

func (h *fakeHost) ContinueStream(uint32) Status {
	h.resumed = append(h.resumed, h.effective)
	return StatusOK
}

func (h *fakeHost) SendLocalResponse(status uint32, headers [][2]string, body []byte, grpc int32) Status {
	if h.refuse != StatusOK {
		return h.refuse
	}
	h.replies = append(h.replies, fakeReply{h.effective, status, copiedList(headers), string(body), grpc})
	return StatusOK
}

func (h *fakeHost) HTTPCall(cluster string, headers [][2]string, body []byte, trailers [][2]string, timeout uint32) (uint32, Status) {
	if cluster == "unknown" {
		return 0, StatusBadArgument
	}
	h.calls = append(h.calls, fakeCall{cluster, copiedList(headers), copiedList(trailers), string(body), timeout})
	return uint32(len(h.calls)), StatusOK
}

func (h *fakeHost) SharedData(key string) ([]byte, uint32, Status) {
	entry, found := h.shared[key]
	if !found {
		return nil, 0, StatusNotFound
	}
	return entry.value, entry.cas, StatusOK
}

func (h *fakeHost) SetSharedData(key string, value []byte, cas uint32) Status {
	entry, found := h.shared[key]
	if !found {
		entry = &sharedValue{}
		h.shared[strings.Clone(key)] = entry
	}
	if found && cas != 0 && cas != entry.cas {
		return StatusCasMismatch
	}
	entry.value = append(entry.value[:0], value...)
	entry.cas++
	return StatusOK
}

func (h *fakeHost) RegisterQueue(name string) (uint32, Status) {
	if h.queues[name] == 0 {
		h.queues[name] = uint32(len(h.queues) + 1)
	}
	return h.queues[name], StatusOK
}

func (h *fakeHost) ResolveQueue(_, name string) (uint32, Status) {
	id, found := h.queues[name]
	return id, unless(found, StatusNotFound)
}

func (h *fakeHost) Enqueue(queueID uint32, value []byte) Status {
	h.queued[queueID] = append(h.queued[queueID], slices.Clone(value))
	return StatusOK
}

func (h *fakeHost) Dequeue(queueID uint32) ([]byte, Status) {
	if len(h.queued[queueID]) == 0 {
		return nil, StatusEmpty
	}
	first := h.queued[queueID][0]
	h.queued[queueID] = h.queued[queueID][1:]
	return first, StatusOK
}

func (h *fakeHost) DefineMetric(kind uint32, name string) (uint32, Status) {
	if h.metrics[name] == 0 {
		h.metrics[name] = uint32(len(h.metrics)+1)<<2 | kind
	}
	return h.metrics[name], StatusOK
}

func (h *fakeHost) IncrementMetric(metricID uint32, offset int64) Status {
	h.values[metricID] += uint64(offset)
	return StatusOK
}

func (h *fakeHost) RecordMetric(metricID uint32, value uint64) Status {
	h.values[metricID] = value
	return StatusOK
}

func (h *fakeHost) Metric(metricID uint32) (uint64, Status) { return h.values[metricID], StatusOK }

func unless(ok bool, otherwise Status) Status {
	if ok {
		return StatusOK
	}
	return otherwise
}

// copied keeps a pair beyond the call: what the VM passes is its own memory.
func copied(name, value string) [2]string {
	return [2]string{strings.Clone(name), strings.Clone(value)}
}

func copiedList(list [][2]string) [][2]string {
	var result [][2]string
	for _, pair := range list {
		result = append(result, copied(pair[0], pair[1]))
	}
	return result
}

// scripted is a plugin whose every callback is a function of the test.
type scripted struct {
	types.DefaultPluginContext
	newHTTP    func(contextID uint32) types.HttpContext
	start      func() types.OnPluginStartStatus
	tick, done func()
	queueReady func(queueID uint32)
}

func (p *scripted) OnPluginStart(int) types.OnPluginStartStatus {
	if p.start == nil {
		return types.OnPluginStartStatusOK
	}
	return p.start()
}

func (p *scripted) OnTick()                                    { p.tick() }
func (p *scripted) OnQueueReady(queueID uint32)                { p.queueReady(queueID) }
func (p *scripted) NewHttpContext(id uint32) types.HttpContext { return p.newHTTP(id) }
func (p *scripted) OnPluginDone() bool {
	if p.done != nil {
		p.done()
	}
	return false
}

// scriptedHTTP is the same for streams.
type scriptedHTTP struct {
	types.DefaultHttpContext
	requestHeaders, responseHeaders, trailers func() types.Action
	streamDone, recycle                       func()
}

func (s *scriptedHTTP) OnHttpRequestHeaders(int, bool) types.Action  { return run(s.requestHeaders) }
func (s *scriptedHTTP) OnHttpResponseHeaders(int, bool) types.Action { return run(s.responseHeaders) }
func (s *scriptedHTTP) OnHttpRequestTrailers(int) types.Action       { return run(s.trailers) }

func (s *scriptedHTTP) OnHttpStreamDone() {
	if s.streamDone != nil {
		s.streamDone()
	}
}

func (s *scriptedHTTP) Recycle() {
	if s.recycle != nil {
		s.recycle()
	}
}

func run(callback func() types.Action) types.Action {
	if callback == nil {
		return types.ActionContinue
	}
	return callback()
}

// newVM starts a VM of the plugin with root context 1 on a new fake host.
func newVM(p *scripted) (*fakeHost, Callbacks) {
	h := newFakeHost()
	h.contexts[1] = true
	SetPanicHandler(nil)
	SetPluginContext(func(uint32) types.PluginContext { return p })
	call := Attach(h)
	call.OnContextCreate(1, 0)
	call.OnVMStart(1, 0)
	call.OnConfigure(1, 0)
	return h, call
}

// newStream starts a VM and one stream, context 2, in it.
func newStream(s *scriptedHTTP) (*fakeHost, Callbacks) {
	h, call := newVM(&scripted{newHTTP: func(uint32) types.HttpContext { return s }})
	h.contexts[2] = true
	call.OnContextCreate(2, 1)
	return h, call
}
