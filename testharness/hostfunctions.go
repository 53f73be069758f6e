package testharness

import (
	"context"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"
)

// status is what host functions return (WasmResult).
type status uint32

const (
	statusOK status = iota
	statusNotFound
	statusBadArgument
	statusSerializationFailure
	statusParseFailure
	statusBadExpression
	statusInvalidMemoryAccess
	statusEmpty
	statusCASMismatch
	statusResultMismatch
	statusInternalFailure
	statusBrokenConnection
	statusUnimplemented
)

// hostFunction is an import that guests may have from env.
type hostFunction struct {
	name    string
	params  []api.ValueType
	results []api.ValueType
	// early says that it may be called while the guest initialises or
	// allocates; others make the VM fail then (setRestrictedCallback,
	// src/wasm.cc).
	early bool
	call  func(v *vm, p params) status
}

// params are the arguments of a host function.
type params []uint64

func (p params) u32(i int) uint32 { return uint32(p[i]) }

func i32s(n int) []api.ValueType { return slices.Repeat([]api.ValueType{api.ValueTypeI32}, n) }

// hostFunctions are those of ABI 0.2.1, under the names of FOR_ALL_HOST_FUNCTIONS
// and registerCallbacks in src/wasm.cc. Those of 0.1.0 are not among them.
var hostFunctions = []hostFunction{
	host("proxy_log", 3, early, hostLog),
	host("proxy_get_log_level", 1, late, hostGetLogLevel),
	host("proxy_get_current_time_nanoseconds", 1, late, hostGetCurrentTime),
	host("proxy_set_tick_period_milliseconds", 1, late, hostSetTickPeriod),
	host("proxy_get_property", 4, late, hostGetProperty),
	host("proxy_set_property", 4, late, hostSetProperty),
	host("proxy_get_status", 3, late, hostGetStatus),
	host("proxy_set_effective_context", 1, late, hostSetEffectiveContext),
	host("proxy_done", 0, late, hostDone),
	host("proxy_call_foreign_function", 6, late, hostCallForeignFunction),

	host("proxy_continue_stream", 1, late, hostContinueStream),
	host("proxy_close_stream", 1, late, hostCloseStream),
	host("proxy_send_local_response", 8, late, hostSendLocalResponse),

	host("proxy_get_header_map_pairs", 3, late, hostGetHeaderMapPairs),
	host("proxy_set_header_map_pairs", 3, late, hostSetHeaderMapPairs),
	host("proxy_get_header_map_value", 5, late, hostGetHeaderMapValue),
	host("proxy_add_header_map_value", 5, late, hostAddHeaderMapValue),
	host("proxy_replace_header_map_value", 5, late, hostReplaceHeaderMapValue),
	host("proxy_remove_header_map_value", 3, late, hostRemoveHeaderMapValue),
	host("proxy_get_header_map_size", 2, late, hostGetHeaderMapSize),

	host("proxy_get_buffer_bytes", 5, late, hostGetBufferBytes),
	host("proxy_get_buffer_status", 3, late, hostGetBufferStatus),
	host("proxy_set_buffer_bytes", 5, late, hostSetBufferBytes),

	host("proxy_http_call", 10, late, hostHTTPCall),

	host("proxy_get_shared_data", 5, late, hostGetSharedData),
	host("proxy_set_shared_data", 5, late, hostSetSharedData),
	host("proxy_register_shared_queue", 3, late, hostRegisterSharedQueue),
	host("proxy_resolve_shared_queue", 5, late, hostResolveSharedQueue),
	host("proxy_enqueue_shared_queue", 3, late, hostEnqueueSharedQueue),
	host("proxy_dequeue_shared_queue", 3, late, hostDequeueSharedQueue),

	host("proxy_define_metric", 4, late, hostDefineMetric),
	hostWith("proxy_increment_metric", []api.ValueType{api.ValueTypeI32, api.ValueTypeI64}, hostIncrementMetric),
	hostWith("proxy_record_metric", []api.ValueType{api.ValueTypeI32, api.ValueTypeI64}, hostRecordMetric),
	host("proxy_get_metric", 2, late, hostGetMetric),

	// gRPC calls are Envoy's to make; here nobody could answer them.
	host("proxy_grpc_call", 12, late, unimplemented),
	host("proxy_grpc_stream", 9, late, unimplemented),
	host("proxy_grpc_send", 4, late, unimplemented),
	host("proxy_grpc_cancel", 1, late, unimplemented),
	host("proxy_grpc_close", 1, late, unimplemented),

	host("pthread_equal", 2, early, func(_ *vm, p params) status { return status(flag(p.u32(0) == p.u32(1))) }),
	{name: "emscripten_notify_memory_growth", params: i32s(1), early: true, call: func(*vm, params) status { return statusOK }},
}

const (
	early = true
	late  = false
)

func host(name string, n int, early bool, call func(*vm, params) status) hostFunction {
	return hostFunction{name: name, params: i32s(n), results: i32s(1), early: early, call: call}
}

func hostWith(name string, types []api.ValueType, call func(*vm, params) status) hostFunction {
	return hostFunction{name: name, params: types, results: i32s(1), call: call}
}

func unimplemented(*vm, params) status { return statusUnimplemented }

// goModuleFunction adapts a host function to wazero. A panic in it becomes a
// trap of the guest.
func (f hostFunction) goModuleFunction() api.GoModuleFunc {
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		v := vmOf(ctx)
		if !f.early && (v.restricted || v.current == nil) {
			panic(fmt.Errorf("%s may not be called while the module initialises or allocates", f.name))
		}
		result := f.call(v, stack)
		if len(f.results) > 0 {
			stack[0] = uint64(result)
		}
	}
}

// callbacks are the exports that this host calls, with the number of their
// parameters and results.
var callbacks = map[string][2]int{
	"_initialize": {0, 0}, "_start": {0, 0}, "main": {2, 1}, "__main_void": {0, 1},
	"malloc": {1, 1}, "proxy_on_memory_allocate": {1, 1},
	"proxy_on_context_create": {2, 0}, "proxy_on_vm_start": {2, 1}, "proxy_on_configure": {2, 1},
	"proxy_on_tick": {1, 0}, "proxy_on_queue_ready": {2, 0}, "proxy_on_http_call_response": {5, 0},
	"proxy_on_request_headers": {3, 1}, "proxy_on_request_body": {3, 1}, "proxy_on_request_trailers": {2, 1},
	"proxy_on_response_headers": {3, 1}, "proxy_on_response_body": {3, 1}, "proxy_on_response_trailers": {2, 1},
	"proxy_on_done": {1, 1}, "proxy_on_log": {1, 0}, "proxy_on_delete": {1, 0},
}

// checkCallbacks makes sure that what the host will call has the signature
// that it calls it with.
func checkCallbacks(exports map[string]api.FunctionDefinition) error {
	for name, want := range callbacks {
		f, ok := exports[name]
		if !ok {
			continue
		}
		if !slices.Equal(f.ParamTypes(), i32s(want[0])) || !slices.Equal(f.ResultTypes(), i32s(want[1])) {
			return fmt.Errorf("the module exports %s with another signature than the ABI's: %d i32 parameters, %d i32 results", name, want[0], want[1])
		}
	}
	return nil
}

func sameTypes(a, b api.FunctionDefinition) bool {
	return slices.Equal(a.ParamTypes(), b.ParamTypes()) && slices.Equal(a.ResultTypes(), b.ResultTypes())
}

func hostLog(v *vm, p params) status {
	if p.u32(0) > uint32(LogCritical) {
		return statusBadArgument
	}
	message, ok := v.readString(p.u32(1), p.u32(2))
	if !ok {
		return statusInvalidMemoryAccess
	}
	c := v.effective()
	if c == nil {
		c = &guestContext{vm: v, filter: v.filter}
	}
	v.thread.proxy.logs.append(v.thread.proxy.entry(c, LogLevel(p.u32(0)), message))
	return statusOK
}

func hostGetLogLevel(v *vm, p params) status {
	return v.writeUint32s(p.u32(0), uint32(v.thread.proxy.config.logLevel))
}

func hostGetCurrentTime(v *vm, p params) status {
	if !v.memory.WriteUint64Le(p.u32(0), uint64(v.thread.proxy.clock.Now().UnixNano())) {
		return statusInvalidMemoryAccess
	}
	return statusOK
}

func hostSetTickPeriod(v *vm, p params) status {
	v.setTick(v.effective().root.id, milliseconds(p.u32(0)))
	return statusOK
}

// hostGetStatus tells how the last gRPC call ended; there are none here, so
// that it only ever tells of an HTTP call that was reset.
func hostGetStatus(v *vm, p params) status {
	root := v.effective().root
	if !v.memory.WriteUint32Le(p.u32(0), uint32(root.callStatus)) {
		return statusInvalidMemoryAccess
	}
	return v.hand([]byte(root.callMessage), p.u32(1), p.u32(2))
}

func hostSetEffectiveContext(v *vm, p params) status {
	if v.contexts[p.u32(0)] == nil {
		return statusBadArgument
	}
	v.effectiveID = p.u32(0)
	return statusOK
}

// hostDone ends a root context that answered false to proxy_on_done.
func hostDone(v *vm, _ params) status {
	c := v.effective().root
	if !c.doneAsked {
		return statusNotFound
	}
	c.doneAsked = false
	v.afterCall = append(v.afterCall, c.onDelete)
	return statusOK
}

// hostCallForeignFunction knows only clear_route_cache, which has nothing to
// do here for want of routes; other names are not found, as in Envoy.
func hostCallForeignFunction(v *vm, p params) status {
	name, ok := v.readString(p.u32(0), p.u32(1))
	_, argumentsOK := v.memory.Read(p.u32(2), p.u32(3))
	if !ok || !argumentsOK {
		return statusInvalidMemoryAccess
	}
	if name != "clear_route_cache" {
		return statusNotFound
	}
	for _, result := range []uint32{p.u32(4), p.u32(5)} {
		if result != 0 && !v.memory.WriteUint32Le(result, 0) {
			return statusInvalidMemoryAccess
		}
	}
	return statusOK
}
