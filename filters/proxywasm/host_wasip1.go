package proxywasm

import "unsafe"

// spoilViews: not on the request path.
const spoilViews = false

// out is where host functions write results. It is no local variable, because a stack can move when
// the host calls proxy_on_memory_allocate; and it is read before anything else calls the host.
var out struct {
	data, size uint32 // what the host placed through proxy_on_memory_allocate
	number     uint32 // an id or a cas
	wide       uint64 // a time or a metric
}

// placed returns what the host placed, if it succeeded.
func placed(status uint32) ([]byte, Status) {
	if status != uint32(StatusOK) {
		return nil, Status(status)
	}
	view, ok := vm.memory.view(out.data, out.size)
	if !ok {
		return nil, StatusInvalidMemoryAccess
	}
	return view, StatusOK
}

func text(s string) (*byte, uint32)  { return unsafe.StringData(s), uint32(len(s)) }
func bytes(b []byte) (*byte, uint32) { return unsafe.SliceData(b), uint32(len(b)) }

func hostLog(level logLevel, message string) {
	data, size := text(message)
	proxyLog(uint32(level), data, size) // where could a failure to log be logged?
}

func hostCurrentTime() (uint64, Status) {
	status := proxyGetCurrentTimeNanoseconds(&out.wide)
	return out.wide, Status(status)
}

func hostSetTickPeriod(milliseconds uint32) Status {
	return Status(proxySetTickPeriodMilliseconds(milliseconds))
}

func hostSetEffectiveContext(contextID uint32) Status {
	return Status(proxySetEffectiveContext(contextID))
}

func hostProperty(path string) ([]byte, Status) {
	data, size := text(path)
	return placed(proxyGetProperty(data, size, &out.data, &out.size))
}

func hostSetProperty(path string, value []byte) Status {
	pathData, pathSize := text(path)
	data, size := bytes(value)
	return Status(proxySetProperty(pathData, pathSize, data, size))
}

func hostBuffer(kind bufferType, start, size uint32) ([]byte, Status) {
	return placed(proxyGetBufferBytes(uint32(kind), start, size, &out.data, &out.size))
}

func hostHeader(kind mapType, name string) ([]byte, Status) {
	data, size := text(name)
	return placed(proxyGetHeaderMapValue(uint32(kind), data, size, &out.data, &out.size))
}

func hostHeaders(kind mapType) ([]byte, Status) {
	return placed(proxyGetHeaderMapPairs(uint32(kind), &out.data, &out.size))
}

func hostAddHeader(kind mapType, name, value string) Status {
	nameData, nameSize := text(name)
	data, size := text(value)
	return Status(proxyAddHeaderMapValue(uint32(kind), nameData, nameSize, data, size))
}

func hostReplaceHeader(kind mapType, name, value string) Status {
	nameData, nameSize := text(name)
	data, size := text(value)
	return Status(proxyReplaceHeaderMapValue(uint32(kind), nameData, nameSize, data, size))
}

func hostRemoveHeader(kind mapType, name string) Status {
	data, size := text(name)
	return Status(proxyRemoveHeaderMapValue(uint32(kind), data, size))
}

func hostContinue(kind uint32) Status {
	return Status(proxyContinueStream(kind))
}

func hostReply(statusCode uint32, headers, body []byte, grpcStatus int32) Status {
	headersData, headersSize := bytes(headers)
	data, size := bytes(body)
	return Status(proxySendLocalResponse(statusCode, nil, 0, data, size, headersData, headersSize, grpcStatus))
}

func hostHTTPCall(cluster string, headers, body, trailers []byte, timeout uint32) (uint32, Status) {
	clusterData, clusterSize := text(cluster)
	headersData, headersSize := bytes(headers)
	data, size := bytes(body)
	trailersData, trailersSize := bytes(trailers)
	status := proxyHTTPCall(clusterData, clusterSize, headersData, headersSize, data, size,
		trailersData, trailersSize, timeout, &out.number)
	return out.number, Status(status)
}

func hostSharedData(key string) ([]byte, uint32, Status) {
	data, size := text(key)
	value, status := placed(proxyGetSharedData(data, size, &out.data, &out.size, &out.number))
	return value, out.number, status
}

func hostSetSharedData(key string, value []byte, cas uint32) Status {
	keyData, keySize := text(key)
	data, size := bytes(value)
	return Status(proxySetSharedData(keyData, keySize, data, size, cas))
}

func hostRegisterQueue(name string) (uint32, Status) {
	data, size := text(name)
	status := proxyRegisterSharedQueue(data, size, &out.number)
	return out.number, Status(status)
}

func hostResolveQueue(vmID, name string) (uint32, Status) {
	vmData, vmSize := text(vmID)
	data, size := text(name)
	status := proxyResolveSharedQueue(vmData, vmSize, data, size, &out.number)
	return out.number, Status(status)
}

func hostEnqueue(queueID uint32, value []byte) Status {
	data, size := bytes(value)
	return Status(proxyEnqueueSharedQueue(queueID, data, size))
}

func hostDequeue(queueID uint32) ([]byte, Status) {
	return placed(proxyDequeueSharedQueue(queueID, &out.data, &out.size))
}

func hostDefineMetric(kind metricType, name string) (uint32, Status) {
	data, size := text(name)
	status := proxyDefineMetric(uint32(kind), data, size, &out.number)
	return out.number, Status(status)
}

func hostIncrementMetric(metricID uint32, offset int64) Status {
	return Status(proxyIncrementMetric(metricID, offset))
}

func hostRecordMetric(metricID uint32, value uint64) Status {
	return Status(proxyRecordMetric(metricID, value))
}

func hostMetric(metricID uint32) (uint64, Status) {
	status := proxyGetMetric(metricID, &out.wide)
	return out.wide, Status(status)
}
