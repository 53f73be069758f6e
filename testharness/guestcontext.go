package testharness

import "time"

// What a filter's callback wants the stream to do next. The numbers are those
// of the ABI (FilterHeadersStatus, FilterDataStatus, FilterTrailersStatus).
type action uint32

const (
	actionContinue action = iota
	actionStop
	actionStopAndBuffer    = actionStop
	actionStopAndWatermark = action(2)
	actionStopNoBuffer     = action(3)
)

// guestContext is a context as the ABI knows it: the root context of a plugin
// or the context of one stream (ContextBase, and Context in context.cc).
type guestContext struct {
	vm     *vm // nil when the VM could not be had: then every callback fails closed
	id     uint32
	root   *guestContext // itself for a root context
	filter Filter

	created   bool // proxy_on_context_create has run, or would have
	destroyed bool

	// What the guest can reach, as Envoy gives it: a map or buffer is there
	// during its callback, and after it as long as the stream is stopped in it.
	requestHeaders, requestTrailers   *headerMap
	responseHeaders, responseTrailers *headerMap
	requestBody, responseBody         *[]byte
	endOfStream                       bool
	logging                           bool // in proxy_on_log, where all maps can only be read

	stream           *stream // nil for a root context
	hop              *hop
	failureReplySent bool
	replying         bool // it has answered in this callback

	configuring bool // the plugin configuration can be read
	calls       map[uint32]*httpCall
	callAnswer  *callAnswer // during proxy_on_http_call_response
	callStatus  status      // of the last call that was reset
	callMessage string
	doneAsked   bool // proxy_on_done returned false: proxy_done is awaited
	deleted     bool
}

func (v *vm) newContext(f Filter) *guestContext {
	c := &guestContext{vm: v, id: v.newContextID(), filter: f}
	c.root = c
	v.contexts[c.id] = c
	return c
}

func (c *guestContext) isRoot() bool { return c.root == c }

func (c *guestContext) isFailed() bool { return c.vm == nil || c.vm.failed }

// startRoot makes a root context and runs proxy_on_context_create and
// proxy_on_vm_start, which Envoy calls once for each plugin
// (WasmBase::start, ContextBase::onStart).
func (v *vm) startRoot(f Filter) (c *guestContext, ok bool) {
	c = v.newContext(f)
	v.roots[f.pluginKey()] = c
	started := true
	if v.has("proxy_on_context_create") {
		c.configuring = true
		v.enter(c, "proxy_on_context_create", uint64(c.id), 0)
		c.configuring = false
		c.created = true
	}
	if v.has("proxy_on_vm_start") {
		started = v.enter(c, "proxy_on_vm_start", uint64(c.id), uint64(len(v.filter.vmConfig))) != 0
	}
	v.runAfterCall()
	return c, started && !v.failed
}

// configure runs proxy_on_configure (ContextBase::onConfigure).
func (c *guestContext) configure() bool {
	c.onCreate()
	if !c.vm.has("proxy_on_configure") {
		return !c.vm.failed
	}
	c.configuring = true
	ok := c.vm.enter(c, "proxy_on_configure", uint64(c.id), uint64(len(c.filter.configuration))) != 0
	c.configuring = false
	c.vm.runAfterCall()
	return ok && !c.vm.failed
}

func (c *guestContext) onCreate() {
	if !c.created && !c.isFailed() && c.vm.has("proxy_on_context_create") {
		parent := uint64(0)
		if !c.isRoot() {
			parent = uint64(c.root.id)
		}
		c.vm.call(c, "proxy_on_context_create", uint64(c.id), parent)
	}
	c.created = true
}

func (c *guestContext) onTick() {
	if c.vm.has("proxy_on_tick") {
		c.vm.call(c, "proxy_on_tick", uint64(c.id))
	}
}

func (c *guestContext) onQueueReady(token uint32) {
	if c.vm.has("proxy_on_queue_ready") {
		c.vm.call(c, "proxy_on_queue_ready", uint64(c.id), uint64(token))
	}
}

// onDone reports whether the context may be deleted at once.
func (c *guestContext) onDone() bool {
	if c.isFailed() || !c.vm.has("proxy_on_done") {
		return true
	}
	return c.vm.call(c, "proxy_on_done", uint64(c.id)) != 0
}

func (c *guestContext) onDelete() {
	if c.deleted {
		return
	}
	c.deleted = true
	if c.created && !c.isFailed() && c.vm.has("proxy_on_delete") {
		c.vm.call(c, "proxy_on_delete", uint64(c.id))
	}
	c.cancelCalls()
	if c.vm != nil {
		delete(c.vm.contexts, c.id)
	}
}

// onLog runs proxy_on_log. A filter that an earlier local reply kept from
// seeing the request is given a context first, so that it logs too
// (Context::log in context.cc).
func (c *guestContext) onLog() {
	if !c.created {
		c.onCreate()
	}
	if c.isFailed() || !c.vm.has("proxy_on_log") {
		return
	}
	c.logging = true
	c.vm.call(c, "proxy_on_log", uint64(c.id))
	c.logging = false
}

// destroy ends a stream's context (Context::onDestroy). For streams the answer
// of proxy_on_done is not waited for.
func (c *guestContext) destroy() {
	if !c.destroyed && c.created {
		c.destroyed = true
		c.onDone()
	}
	c.onDelete()
}

// failAction deals with a VM that is not usable: what the callback returns then,
// after answering 503 (CHECK_FAIL_HTTP). That goes for a filter that fails open
// too, if it was in the stream when its VM failed: failure_policy only counts
// when a stream begins (seen in Envoy 1.40; its older field fail_open differs).
func (c *guestContext) failAction(closed action) (action, bool) {
	if !c.isFailed() {
		return 0, false
	}
	if !c.failureReplySent {
		c.failureReplySent = true
		c.stream.failureReply(c.hop)
	}
	return closed, true
}

// callStream runs one of the stream's callbacks. What it returns is not looked
// at when the guest has answered itself: then nothing further is called
// (convertVmCallResultToFilterHeadersStatus and its like).
func (c *guestContext) callStream(name string, stopped, last action, params ...uint64) action {
	if result, failed := c.failAction(stopped); failed {
		return result
	}
	if !c.vm.has(name) {
		return actionContinue
	}
	result := action(c.vm.enter(c, name, append([]uint64{uint64(c.id)}, params...)...))
	if failure, failed := c.failAction(stopped); failed {
		c.vm.runAfterCall()
		return failure
	}
	if c.vm.stopIteration || result > last {
		result = stopped
	}
	c.vm.runAfterCall()
	return result
}

// onRequestHeaders runs the callback. Whatever but Continue stops everything:
// in ABI 0.2 a guest's Pause holds the body back too
// (StopIteration becomes StopAllIterationAndWatermark).
func (c *guestContext) onRequestHeaders(headers *headerMap, end bool) action {
	c.onCreate()
	c.requestHeaders, c.endOfStream = headers, end
	result := c.callStream("proxy_on_request_headers", actionStop, 3, uint64(headers.size()), flag(end))
	if result == actionContinue {
		c.requestHeaders = nil
	}
	return result
}

func (c *guestContext) onRequestBody(body *[]byte, end bool) action {
	if !c.created {
		return actionContinue
	}
	c.requestBody, c.endOfStream = body, end
	result := c.callStream("proxy_on_request_body", actionStopNoBuffer, 3, uint64(uint32(len(*body))), flag(end))
	if result == actionContinue {
		c.requestBody = nil
	}
	return result
}

func (c *guestContext) onRequestTrailers(trailers *headerMap) action {
	if !c.created {
		return actionContinue
	}
	c.requestTrailers = trailers
	result := c.callStream("proxy_on_request_trailers", actionStop, 1, uint64(trailers.size()))
	if result == actionContinue {
		c.requestTrailers = nil
	}
	return result
}

// onResponseHeaders runs the callback, unless the filter never saw the request
// or has answered 503 for a failed VM itself (Context::encodeHeaders).
func (c *guestContext) onResponseHeaders(headers *headerMap, end bool) action {
	if !c.created || c.failureReplySent {
		return actionContinue
	}
	c.responseHeaders, c.endOfStream = headers, end
	result := c.callStream("proxy_on_response_headers", actionStop, 3, uint64(headers.size()), flag(end))
	if result == actionContinue {
		c.responseHeaders = nil
	}
	return result
}

func (c *guestContext) onResponseBody(body *[]byte, end bool) action {
	if !c.created || c.failureReplySent {
		return actionContinue
	}
	c.responseBody, c.endOfStream = body, end
	result := c.callStream("proxy_on_response_body", actionStopNoBuffer, 3, uint64(uint32(len(*body))), flag(end))
	if result == actionContinue {
		c.responseBody = nil
	}
	return result
}

func (c *guestContext) onResponseTrailers(trailers *headerMap) action {
	if !c.created || c.failureReplySent {
		return actionContinue
	}
	c.responseTrailers = trailers
	result := c.callStream("proxy_on_response_trailers", actionStop, 1, uint64(trailers.size()))
	if result == actionContinue {
		c.responseTrailers = nil
	}
	return result
}

// onHTTPCallResponse hands a call's answer to the guest; no headers mean that
// the call was reset (Context::onHttpCallSuccess, onHttpCallFailure).
func (c *guestContext) onHTTPCallResponse(token uint32, answer *callAnswer) {
	if !c.vm.has("proxy_on_http_call_response") {
		return
	}
	headers, body, trailers := uint32(0), 0, uint32(0)
	if answer != nil {
		headers, body, trailers = answer.headers.size(), len(answer.body), answer.trailers.size()
	}
	c.callAnswer = answer
	c.vm.enter(c, "proxy_on_http_call_response", uint64(c.id), uint64(token), uint64(headers), uint64(body), uint64(trailers))
	c.callAnswer = nil
	c.vm.runAfterCall()
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func milliseconds(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
