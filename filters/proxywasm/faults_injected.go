//go:build faultinjection

package proxywasm

import (
	"strings"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// A module with this tag panics where a request's header x-fault says: CALLBACK@ROOT_ID, such as proxy_on_log@quota; the
// callback's own work is done before, unless a minus sign stands in front. A callback that belongs to no request, or to the next one,
// panics once, in whichever VM of the process reaches it first. The environment variable PARTNERGATE_FAULT names one that panics each time.
const (
	faultHeader   = "x-fault"
	faultVariable = "PARTNERGATE_FAULT"
	faultKey      = "fault/" // in shared data
)

func withFaults(plugin types.PluginContext) types.PluginContext {
	return &faultyPlugin{plugin, strings.Clone(PluginRootID())}
}

// callFaults wraps what takes the answer of an HTTP call.
func callFaults(callback func(numHeaders, bodySize, numTrailers int)) func(numHeaders, bodySize, numTrailers int) {
	return func(numHeaders, bodySize, numTrailers int) {
		armed := disarm("proxy_on_http_call_response@*")
		faulty(armed, func() { callback(numHeaders, bodySize, numTrailers) })
	}
}

// faulty does the work and panics after it; or does not do it at all.
func faulty(when int, work func()) {
	if when != faultBefore {
		work()
	}
	if when != faultNone {
		panic("injected")
	}
}

const (
	faultNone = iota
	faultBefore
	faultAfter
)

// disarm tells whether a fault waits for a callback at a root id, and takes it away.
func disarm(at string) int {
	value, cas, err := GetSharedData(faultKey + at)
	if err != nil || len(value) == 0 {
		return faultNone
	}
	when := faultAfter
	if value[0] == '-' {
		when = faultBefore
	}
	if SetSharedData(faultKey+at, nil, cas) != nil {
		return faultNone // another VM has it
	}
	return when
}

type faultyPlugin struct {
	types.PluginContext
	root string
}

func (p *faultyPlugin) when(callback string) int {
	switch Getenv(faultVariable) {
	case callback + "@" + p.root:
		return faultAfter
	case "-" + callback + "@" + p.root:
		return faultBefore
	}
	return disarm(callback + "@" + p.root)
}

func (p *faultyPlugin) OnPluginStart(size int) (status types.OnPluginStartStatus) {
	faulty(p.when("proxy_on_configure"), func() { status = p.PluginContext.OnPluginStart(size) })
	return status
}

func (p *faultyPlugin) OnPluginDone() (done bool) {
	faulty(p.when("proxy_on_done"), func() { done = p.PluginContext.OnPluginDone() })
	return done
}

func (p *faultyPlugin) OnTick() { faulty(p.when("proxy_on_tick"), p.PluginContext.OnTick) }

func (p *faultyPlugin) OnQueueReady(queue uint32) {
	faulty(p.when("proxy_on_queue_ready"), func() { p.PluginContext.OnQueueReady(queue) })
}

func (p *faultyPlugin) NewHttpContext(id uint32) types.HttpContext {
	s := &faultyStream{plugin: p}
	faulty(p.when("proxy_on_context_create"), func() { s.HttpContext = p.PluginContext.NewHttpContext(id) })
	return s
}

type faultyStream struct {
	types.HttpContext
	plugin *faultyPlugin
	fault  string
}

func (s *faultyStream) when(callback string) int {
	switch s.fault {
	case callback + "@" + s.plugin.root:
		return faultAfter
	case "-" + callback + "@" + s.plugin.root:
		return faultBefore
	}
	return faultNone
}

func (s *faultyStream) OnHttpRequestHeaders(n int, end bool) (action types.Action) {
	fault, _ := GetHttpRequestHeader(faultHeader) // none: no fault
	s.fault = strings.Clone(fault)
	arm(s.fault)
	faulty(s.when("proxy_on_request_headers"), func() { action = s.HttpContext.OnHttpRequestHeaders(n, end) })
	return action
}

// arm leaves a fault in shared data for a callback that has no request's headers.
func arm(fault string) {
	for _, callback := range [...]string{
		"proxy_on_tick@", "proxy_on_queue_ready@", "proxy_on_http_call_response@", "proxy_on_context_create@",
	} {
		name, before := strings.CutPrefix(fault, "-")
		if !strings.HasPrefix(name, callback) {
			continue
		}
		value := "+"
		if before {
			value = "-"
		}
		if err := SetSharedData(faultKey+name, []byte(value), 0); err != nil {
			panic("a fault could not be armed: " + err.Error())
		}
	}
}

func (s *faultyStream) OnHttpRequestTrailers(n int) (action types.Action) {
	faulty(s.when("proxy_on_request_trailers"), func() { action = s.HttpContext.OnHttpRequestTrailers(n) })
	return action
}

func (s *faultyStream) OnHttpResponseHeaders(n int, end bool) (action types.Action) {
	faulty(s.when("proxy_on_response_headers"), func() { action = s.HttpContext.OnHttpResponseHeaders(n, end) })
	return action
}

func (s *faultyStream) OnHttpStreamDone() {
	faulty(s.when("proxy_on_log"), s.HttpContext.OnHttpStreamDone)
}

func (s *faultyStream) Recycle() {
	faulty(s.when("proxy_on_delete"), s.HttpContext.(Recycler).Recycle)
}
