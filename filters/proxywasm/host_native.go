//go:build !wasip1

package proxywasm

import "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

// Host is what a native build talks to instead of a proxy, for tests. It has the functions of the
// ABI; results are copied at once, as a proxy copies them into the VM. Header kinds and buffer kinds
// are the ABI's numbers. Wasm builds call the proxy directly and have no Host.
type Host interface {
	Log(level uint32, message string)
	CurrentTimeNanoseconds() (uint64, Status)
	SetTickPeriod(milliseconds uint32) Status
	SetEffectiveContext(contextID uint32) Status
	Environment() []string // each NAME=value

	Property(path string) ([]byte, Status)
	SetProperty(path string, value []byte) Status
	Buffer(kind, start, size uint32) ([]byte, Status)

	Header(kind uint32, name string) (string, Status)
	Headers(kind uint32) ([][2]string, Status)
	AddHeader(kind uint32, name, value string) Status
	ReplaceHeader(kind uint32, name, value string) Status
	RemoveHeader(kind uint32, name string) Status
	ContinueStream(kind uint32) Status
	SendLocalResponse(statusCode uint32, headers [][2]string, body []byte, grpcStatus int32) Status
	HTTPCall(cluster string, headers [][2]string, body []byte, trailers [][2]string, timeout uint32) (uint32, Status)

	SharedData(key string) ([]byte, uint32, Status)
	SetSharedData(key string, value []byte, cas uint32) Status
	RegisterQueue(name string) (uint32, Status)
	ResolveQueue(vmID, name string) (uint32, Status)
	Enqueue(queueID uint32, value []byte) Status
	Dequeue(queueID uint32) ([]byte, Status)

	DefineMetric(kind uint32, name string) (uint32, Status)
	IncrementMetric(metricID uint32, offset int64) Status
	RecordMetric(metricID uint32, value uint64) Status
	Metric(metricID uint32) (uint64, Status)
}

var host Host

// spoilViews overwrites what hosts placed once it is no longer valid, so that tests see kept views.
const spoilViews = true

// Attach makes this process a VM of the host, as if new but for what init functions registered, and
// returns the callbacks that the host calls. One VM at a time; tests that use it are not parallel.
func Attach(to Host) Callbacks {
	host = to
	vm.plugins, vm.streams, vm.callouts = nil, streams{}, nil
	vm.depth, vm.active, vm.effective, vm.replied, vm.panics = 0, 0, 0, false, 0
	vm.memory.reset()
	vm.pairs.reset()
	return Callbacks{}
}

// Callbacks are the functions that a wasm build exports to its host.
type Callbacks struct{}

func (Callbacks) OnVMStart(contextID, size uint32) bool       { return onVMStart(contextID, size) }
func (Callbacks) OnConfigure(contextID, size uint32) bool     { return onConfigure(contextID, size) }
func (Callbacks) OnContextCreate(contextID, rootID uint32)    { onContextCreate(contextID, rootID) }
func (Callbacks) OnTick(contextID uint32)                     { onTick(contextID) }
func (Callbacks) OnQueueReady(contextID, queueID uint32)      { onQueueReady(contextID, queueID) }
func (Callbacks) OnDone(contextID uint32) bool                { return onDone(contextID) }
func (Callbacks) OnLog(contextID uint32)                      { onLog(contextID) }
func (Callbacks) OnDelete(contextID uint32)                   { onDelete(contextID) }
func (Callbacks) OnRequestTrailers(id, n uint32) types.Action { return onRequestTrailers(id, n) }

func (Callbacks) OnRequestHeaders(contextID, numHeaders uint32, endOfStream bool) types.Action {
	return onRequestHeaders(contextID, numHeaders, endOfStream)
}

func (Callbacks) OnResponseHeaders(contextID, numHeaders uint32, endOfStream bool) types.Action {
	return onResponseHeaders(contextID, numHeaders, endOfStream)
}

func (Callbacks) OnHTTPCallResponse(contextID, calloutID, numHeaders, bodySize, numTrailers uint32) {
	onHTTPCallResponse(contextID, calloutID, numHeaders, bodySize, numTrailers)
}
