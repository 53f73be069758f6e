// Command toy is a filter that uses all of the runtime, for its tests: each path asks for one thing.
package main

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"

	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

func init() {
	proxywasm.SetPluginContext(func(uint32) types.PluginContext {
		return &plugin{rootID: string([]byte(proxywasm.PluginRootID()))}
	})
}

func main() {}

// plugin is the toy's root context.
type plugin struct {
	types.DefaultPluginContext
	rootID        string
	configuration string
	queue         uint32
	ticks         int
	calls         int
	requests      proxywasm.MetricCounter
	free          []*stream
}

func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	note("configuration", err)
	p.configuration = string(configuration)
	if p.configuration == "panic" {
		panic("told to by the configuration")
	}
	p.requests, err = proxywasm.DefineCounterMetric("toy_requests")
	note("metric", err)
	p.queue, err = proxywasm.RegisterSharedQueue("toy" + strconv.FormatUint(rand.Uint64(), 16))
	note("queue", err)
	note("tick", proxywasm.SetTickPeriodMilliSeconds(50))
	return p.configuration != "refuse"
}

// OnTick makes one call from the root context, in its first tick.
func (p *plugin) OnTick() {
	p.ticks++
	if p.ticks == 1 {
		p.call(func(numHeaders, bodySize, _ int) { p.calls++ })
	}
}

// OnQueueReady resumes the stream whose context id was enqueued.
func (p *plugin) OnQueueReady(queue uint32) {
	for {
		message, err := proxywasm.DequeueSharedQueue(queue)
		if err != nil {
			return
		}
		id, _ := strconv.ParseUint(proxywasm.ViewString(message), 10, 32)
		if proxywasm.SetEffectiveContext(uint32(id)) == nil {
			note("header", proxywasm.ReplaceHttpRequestHeader("x-toy-queue", "resumed"))
			note("resume", proxywasm.ResumeHttpRequest())
		}
	}
}

func (p *plugin) NewHttpContext(contextID uint32) types.HttpContext {
	if last := len(p.free) - 1; last >= 0 {
		s := p.free[last]
		p.free = p.free[:last]
		s.id = contextID
		return s
	}
	return &stream{plugin: p, id: contextID}
}

func (p *plugin) call(callback func(numHeaders, bodySize, numTrailers int)) {
	_, err := proxywasm.DispatchHttpCall("upstream", [][2]string{
		{":method", "POST"}, {":path", "/called"}, {":authority", "toy.internal"}, {"x-a", "1"}, {"x-a", "2"},
	}, []byte("asked"), nil, 2000, callback)
	note("call", err)
}

// stream is the toy's HTTP context; it is used again.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
	id     uint32
}

// Recycle gives the context back to its plugin.
func (s *stream) Recycle() { s.plugin.free = append(s.plugin.free, s) }

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	path, err := proxywasm.GetHttpRequestHeader(":path")
	note("path", err)
	switch path {
	case "/work":
		s.work()
	case "/reply":
		reply(403, "refused")
	case "/panic":
		var none *stream
		none.plugin = nil
	case "/call":
		s.plugin.call(s.onAnswer)
		return types.ActionPause
	case "/call-panic":
		s.plugin.call(func(int, int, int) { panic("told to in a call's answer") })
		return types.ActionPause
	case "/queue":
		note("enqueue", proxywasm.EnqueueSharedQueue(s.plugin.queue, strconv.AppendUint(nil, uint64(s.id), 10)))
		return types.ActionPause
	case "/large":
		large(func() {})
	case "/large-gc":
		large(runtime.GC) // needs a host whose poll_oneoff succeeds
	case "/state":
		reply(200, s.state())
	default:
		return types.ActionContinue
	}
	if path == "/work" {
		return types.ActionContinue
	}
	return types.ActionPause
}

// work is what a filter does for a request: headers, properties, shared data, a metric.
func (s *stream) work() {
	headers, err := proxywasm.GetHttpRequestHeaders()
	note("headers", err)
	keys := 0
	for i := range headers {
		if headers[i][0] == "x-api-key" {
			keys++
		}
		if len(headers[i][0]) > 10 && headers[i][0][:10] == "x-partner-" {
			note("remove", proxywasm.RemoveHttpRequestHeader(headers[i][0]))
		}
	}
	note("set property", proxywasm.SetPropertyString("toy.decision", "admitted"))
	decision, err := proxywasm.GetPropertyString("toy.decision")
	note("property", err)
	note("replace", proxywasm.ReplaceHttpRequestHeader("x-toy-decision", decision))
	note("add", proxywasm.AddHttpRequestHeader("x-toy-keys", counts[min(keys, 2)]))
	s.count()
	note("metric", s.plugin.requests.Increment(1))
	_, err = proxywasm.GetCurrentTimeNanoseconds()
	note("time", err)
}

var counts = [...]string{"0", "1", "many"}

// count adds one to a number in shared data, by compare-and-swap.
func (s *stream) count() {
	for range 100 {
		var number [8]byte
		value, cas, err := proxywasm.GetSharedData("toy/count")
		if err == nil {
			copy(number[:], value)
		}
		for i := range number {
			if number[i]++; number[i] != 0 {
				break
			}
		}
		if proxywasm.SetSharedData("toy/count", number[:], max(cas, 1)) == nil {
			return
		}
	}
	proxywasm.LogError("the count lost 100 races")
}

func (s *stream) onAnswer(numHeaders, bodySize, _ int) {
	status, _ := proxywasm.GetHttpCallResponseHeader(":status") // empty if there was no answer
	body, err := proxywasm.GetHttpCallResponseBody(0, bodySize)
	note("body", err)
	note("header", proxywasm.ReplaceHttpRequestHeader("x-toy-call", status+" "+proxywasm.ViewString(body)))
	note("resume", proxywasm.ResumeHttpRequest())
}

// filler is a value that the arena cannot hold.
var filler = make([]byte, 300<<10)

// large moves the filler twice; between is what happens while only the host's addresses are known.
func large(between func()) {
	filler[len(filler)-1] = 7
	note("set", proxywasm.SetSharedData("toy/large", filler, 0))
	first, _, err := proxywasm.GetSharedData("toy/large")
	note("get", err)
	between()
	second, _, err := proxywasm.GetSharedData("toy/large")
	note("get", err)
	between()
	reply(200, strconv.Itoa(len(first)+len(second))+" "+strconv.Itoa(int(first[len(first)-1]+second[len(second)-1])))
}

// state tells what the VM went through.
func (s *stream) state() string {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	p := s.plugin
	return "root=" + p.rootID + " configuration=" + p.configuration + " ticks=" + strconv.Itoa(p.ticks) +
		" calls=" + strconv.Itoa(p.calls) + " panics=" + strconv.FormatUint(proxywasm.Panics(), 10) +
		" mallocs=" + strconv.FormatUint(memory.Mallocs, 10) + " gcs=" + strconv.FormatUint(uint64(memory.NumGC), 10) +
		" sys=" + strconv.FormatUint(memory.Sys>>10, 10) + "kB env=" + proxywasm.Getenv("TOY") +
		" random=" + strconv.FormatUint(rand.Uint64(), 16)
}

func (s *stream) OnHttpRequestTrailers(int) types.Action {
	note("trailer", proxywasm.RemoveHttpRequestTrailer("x-partner-id"))
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	if _, err := proxywasm.GetHttpResponseHeader("x-panic"); err == nil {
		panic("told to by the response")
	}
	note("response header", proxywasm.AddHttpResponseHeader("x-toy", "seen"))
	return types.ActionContinue
}

func (s *stream) OnHttpStreamDone() {
	if _, err := proxywasm.GetPropertyString("toy.decision"); err != nil && !errors.Is(err, proxywasm.ErrNotFound) {
		note("log", err)
	}
}

func reply(status uint32, body string) {
	note("reply", proxywasm.SendHttpResponse(status, [][2]string{{"content-type", "text/plain"}, {"x-b", "1"}, {"x-b", "2"}},
		[]byte(body), -1))
}

// note logs an error that should not be.
func note(what string, err error) {
	if err != nil {
		proxywasm.LogError("toy: " + what + ": " + err.Error())
	}
}
