package proxywasm

import "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

// state is what the runtime knows. A VM runs on one thread, one callback at a time; callbacks may nest.
type state struct {
	context  types.VMContext
	plugins  plugins
	streams  streams
	callouts callouts
	memory   memory
	pairs    pairs

	depth     int    // callbacks under way, one within the other
	active    uint32 // context id of the innermost callback
	effective uint32 // context id given to SetEffectiveContext in it, or 0
	replied   bool   // it answered its own stream by SendHttpResponse

	panicHandler func(contextID uint32, callback string)
	panics       uint64
}

// vm is this VM. Its arena is made at once: a host's first answer should not have to wait for it.
var vm = state{memory: memory{arena: make([]byte, arenaSize)}}

// SetVMContext registers the VM context. Call it in an init function.
func SetVMContext(context types.VMContext) {
	vm.context = context
}

// SetPluginContext registers how plugin contexts are made, for modules without a VM context of their
// own. Call it in an init function. PluginRootID tells newPlugin which plugin is asked for.
func SetPluginContext(newPlugin func(contextID uint32) types.PluginContext) {
	vm.context = &pluginsOnly{newPlugin: newPlugin}
}

type pluginsOnly struct {
	types.DefaultVMContext
	newPlugin func(contextID uint32) types.PluginContext
}

func (p *pluginsOnly) NewPluginContext(contextID uint32) types.PluginContext {
	return p.newPlugin(contextID)
}

func onVMStart(contextID, configurationSize uint32) (started bool) {
	started = true // also after a panic
	defer leave(enter(contextID, "proxy_on_vm_start"), nil)
	if vm.context != nil && !vm.context.OnVMStart(int(configurationSize)) {
		LogError("the VM did not start; it goes on, so that the host does not stop")
	}
	return started
}

func onConfigure(contextID, configurationSize uint32) (configured bool) {
	configured = true // also after a panic
	defer leave(enter(contextID, "proxy_on_configure"), nil)
	if context := vm.plugins.get(contextID); context != nil && !context.OnPluginStart(int(configurationSize)) {
		LogError("the plugin did not start; it goes on, so that the host does not stop")
	}
	return configured
}

func onContextCreate(contextID, rootID uint32) {
	defer leave(enter(contextID, "proxy_on_context_create"), nil)
	if rootID == 0 {
		createPlugin(contextID)
		return
	}
	// Registered first: should making the context fail, the stream is known, and refused.
	vm.streams.put(stream{id: contextID, root: rootID})
	if context := vm.plugins.get(rootID); context != nil {
		http := context.NewHttpContext(contextID)
		vm.streams.put(stream{id: contextID, root: rootID, http: http})
	}
}

func createPlugin(contextID uint32) {
	vm.plugins.remove(contextID)
	if vm.context != nil {
		context := withFaults(vm.context.NewPluginContext(contextID))
		vm.plugins = append(vm.plugins, plugin{id: contextID, context: context})
	}
}

func onTick(contextID uint32) {
	defer leave(enter(contextID, "proxy_on_tick"), nil)
	if context := vm.plugins.get(contextID); context != nil {
		context.OnTick()
	}
}

func onQueueReady(contextID, queueID uint32) {
	defer leave(enter(contextID, "proxy_on_queue_ready"), nil)
	if context := vm.plugins.get(contextID); context != nil {
		context.OnQueueReady(queueID)
	}
}

// onHTTPCallResponse calls the callback that DispatchHttpCall was given, in the context that made the
// call; not at all if that context is gone.
func onHTTPCallResponse(contextID, calloutID, numHeaders, bodySize, numTrailers uint32) {
	call, found := vm.callouts.take(calloutID)
	if !found {
		return
	}
	defer leave(enter(call.caller, "proxy_on_http_call_response"), nil)
	if call.caller != contextID && SetEffectiveContext(call.caller) != nil {
		return
	}
	call.callback(int(numHeaders), int(bodySize), int(numTrailers))
}

func onRequestHeaders(contextID, numHeaders uint32, endOfStream bool) (action types.Action) {
	defer leave(enter(contextID, "proxy_on_request_headers"), &action)
	return httpContext(contextID).OnHttpRequestHeaders(int(numHeaders), endOfStream)
}

func onRequestTrailers(contextID, numTrailers uint32) (action types.Action) {
	defer leave(enter(contextID, "proxy_on_request_trailers"), &action)
	return httpContext(contextID).OnHttpRequestTrailers(int(numTrailers))
}

func onResponseHeaders(contextID, numHeaders uint32, endOfStream bool) (action types.Action) {
	defer leave(enter(contextID, "proxy_on_response_headers"), &action)
	return httpContext(contextID).OnHttpResponseHeaders(int(numHeaders), endOfStream)
}

// httpContext returns the stream's context. A stream without one, because making it failed, is as
// much a failure as a panic in it: letting it through would skip the plugin.
func httpContext(contextID uint32) types.HttpContext {
	entry := vm.streams.get(contextID)
	if entry == nil || entry.http == nil {
		panic("no HttpContext for this stream")
	}
	return entry.http
}

func onLog(contextID uint32) {
	defer leave(enter(contextID, "proxy_on_log"), nil)
	if entry := vm.streams.get(contextID); entry != nil && entry.http != nil {
		entry.http.OnHttpStreamDone()
	}
}

func onDone(contextID uint32) (done bool) {
	done = true // also after a panic
	defer leave(enter(contextID, "proxy_on_done"), nil)
	if context := vm.plugins.get(contextID); context != nil {
		context.OnPluginDone()
	}
	return done
}

func onDelete(contextID uint32) {
	defer leave(enter(contextID, "proxy_on_delete"), nil)
	vm.callouts.forget(contextID)
	if vm.plugins.remove(contextID) {
		return
	}
	if recycler, ok := vm.streams.remove(contextID).http.(Recycler); ok {
		recycler.Recycle()
	}
}
