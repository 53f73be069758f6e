package proxywasm

import "unsafe"

// The callbacks of ABI 0.2.1 that filters here need. Hosts skip the others: bodies stream past without
// a call into the VM.

//go:wasmexport proxy_abi_version_0_2_1
func exportABIVersion() {}

// exportMemoryAllocate is not called malloc, though hosts prefer that name: with a malloc of its own a
// TinyGo build keeps each block for ever.
//
//go:wasmexport proxy_on_memory_allocate
func exportMemoryAllocate(size uint32) unsafe.Pointer {
	return vm.memory.allocate(size)
}

//go:wasmexport proxy_on_vm_start
func exportOnVMStart(contextID, configurationSize uint32) bool {
	return onVMStart(contextID, configurationSize)
}

//go:wasmexport proxy_on_configure
func exportOnConfigure(contextID, configurationSize uint32) bool {
	return onConfigure(contextID, configurationSize)
}

//go:wasmexport proxy_on_context_create
func exportOnContextCreate(contextID, rootID uint32) {
	onContextCreate(contextID, rootID)
}

//go:wasmexport proxy_on_tick
func exportOnTick(contextID uint32) {
	onTick(contextID)
}

//go:wasmexport proxy_on_queue_ready
func exportOnQueueReady(contextID, queueID uint32) {
	onQueueReady(contextID, queueID)
}

//go:wasmexport proxy_on_http_call_response
func exportOnHTTPCallResponse(contextID, calloutID, numHeaders, bodySize, numTrailers uint32) {
	onHTTPCallResponse(contextID, calloutID, numHeaders, bodySize, numTrailers)
}

//go:wasmexport proxy_on_request_headers
func exportOnRequestHeaders(contextID, numHeaders, endOfStream uint32) uint32 {
	return uint32(onRequestHeaders(contextID, numHeaders, endOfStream != 0))
}

//go:wasmexport proxy_on_request_trailers
func exportOnRequestTrailers(contextID, numTrailers uint32) uint32 {
	return uint32(onRequestTrailers(contextID, numTrailers))
}

//go:wasmexport proxy_on_response_headers
func exportOnResponseHeaders(contextID, numHeaders, endOfStream uint32) uint32 {
	return uint32(onResponseHeaders(contextID, numHeaders, endOfStream != 0))
}

//go:wasmexport proxy_on_done
func exportOnDone(contextID uint32) bool {
	return onDone(contextID)
}

//go:wasmexport proxy_on_log
func exportOnLog(contextID uint32) {
	onLog(contextID)
}

//go:wasmexport proxy_on_delete
func exportOnDelete(contextID uint32) {
	onDelete(contextID)
}
