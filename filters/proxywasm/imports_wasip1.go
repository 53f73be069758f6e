package proxywasm

// The functions of ABI 0.2.1 that this runtime imports. A host that lacks one cannot load the module:
// import none that is not used. noescape holds because hosts read their arguments before they return
// or call back, and keep none.

//go:wasmimport env proxy_log
//go:noescape
func proxyLog(level uint32, message *byte, messageSize uint32) uint32

//go:wasmimport env proxy_get_current_time_nanoseconds
//go:noescape
func proxyGetCurrentTimeNanoseconds(result *uint64) uint32

//go:wasmimport env proxy_set_tick_period_milliseconds
//go:noescape
func proxySetTickPeriodMilliseconds(period uint32) uint32

//go:wasmimport env proxy_set_effective_context
//go:noescape
func proxySetEffectiveContext(contextID uint32) uint32

//go:wasmimport env proxy_get_property
//go:noescape
func proxyGetProperty(path *byte, pathSize uint32, data, size *uint32) uint32

//go:wasmimport env proxy_set_property
//go:noescape
func proxySetProperty(path *byte, pathSize uint32, value *byte, valueSize uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
//go:noescape
func proxyGetBufferBytes(kind, start, maxSize uint32, data, size *uint32) uint32

//go:wasmimport env proxy_get_header_map_value
//go:noescape
func proxyGetHeaderMapValue(kind uint32, name *byte, nameSize uint32, data, size *uint32) uint32

//go:wasmimport env proxy_get_header_map_pairs
//go:noescape
func proxyGetHeaderMapPairs(kind uint32, data, size *uint32) uint32

//go:wasmimport env proxy_add_header_map_value
//go:noescape
func proxyAddHeaderMapValue(kind uint32, name *byte, nameSize uint32, value *byte, valueSize uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
//go:noescape
func proxyReplaceHeaderMapValue(kind uint32, name *byte, nameSize uint32, value *byte, valueSize uint32) uint32

//go:wasmimport env proxy_remove_header_map_value
//go:noescape
func proxyRemoveHeaderMapValue(kind uint32, name *byte, nameSize uint32) uint32

//go:wasmimport env proxy_continue_stream
//go:noescape
func proxyContinueStream(kind uint32) uint32

//go:wasmimport env proxy_send_local_response
//go:noescape
func proxySendLocalResponse(statusCode uint32, details *byte, detailsSize uint32, body *byte, bodySize uint32,
	headers *byte, headersSize uint32, grpcStatus int32) uint32

//go:wasmimport env proxy_http_call
//go:noescape
func proxyHTTPCall(cluster *byte, clusterSize uint32, headers *byte, headersSize uint32, body *byte, bodySize uint32,
	trailers *byte, trailersSize uint32, timeout uint32, calloutID *uint32) uint32

//go:wasmimport env proxy_get_shared_data
//go:noescape
func proxyGetSharedData(key *byte, keySize uint32, data, size, cas *uint32) uint32

//go:wasmimport env proxy_set_shared_data
//go:noescape
func proxySetSharedData(key *byte, keySize uint32, value *byte, valueSize uint32, cas uint32) uint32

//go:wasmimport env proxy_register_shared_queue
//go:noescape
func proxyRegisterSharedQueue(name *byte, nameSize uint32, queueID *uint32) uint32

//go:wasmimport env proxy_resolve_shared_queue
//go:noescape
func proxyResolveSharedQueue(vmID *byte, vmIDSize uint32, name *byte, nameSize uint32, queueID *uint32) uint32

//go:wasmimport env proxy_enqueue_shared_queue
//go:noescape
func proxyEnqueueSharedQueue(queueID uint32, value *byte, valueSize uint32) uint32

//go:wasmimport env proxy_dequeue_shared_queue
//go:noescape
func proxyDequeueSharedQueue(queueID uint32, data, size *uint32) uint32

//go:wasmimport env proxy_define_metric
//go:noescape
func proxyDefineMetric(kind uint32, name *byte, nameSize uint32, metricID *uint32) uint32

//go:wasmimport env proxy_increment_metric
//go:noescape
func proxyIncrementMetric(metricID uint32, offset int64) uint32

//go:wasmimport env proxy_record_metric
//go:noescape
func proxyRecordMetric(metricID uint32, value uint64) uint32

//go:wasmimport env proxy_get_metric
//go:noescape
func proxyGetMetric(metricID uint32, value *uint64) uint32

//go:wasmimport wasi_snapshot_preview1 environ_sizes_get
//go:noescape
func environSizesGet(count, size *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 environ_get
//go:noescape
func environGet(entries *uint32, texts *byte) uint32
