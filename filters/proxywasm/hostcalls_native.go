//go:build !wasip1

package proxywasm

import "unsafe"

// place copies a result into the VM's memory, as a proxy does.
func place[T string | []byte](result T, status Status) ([]byte, Status) {
	if status != StatusOK || len(result) == 0 {
		return nil, status
	}
	block := vm.memory.allocate(uint32(len(result)))
	if block == nil {
		return nil, StatusInvalidMemoryAccess
	}
	view := unsafe.Slice((*byte)(block), len(result))
	copy(view, result)
	return view, StatusOK
}

// crossing is the memory, outside the VM, of the lists that cross its border in one call.
var crossing pairs

// unpack reads a list of pairs that the VM passes to the host.
func unpack(encoded []byte) [][2]string {
	list, ok := crossing.decode(encoded)
	if !ok {
		panic("proxywasm: a list of pairs was encoded wrongly")
	}
	return list
}

func hostLog(level logLevel, message string)           { host.Log(uint32(level), message) }
func hostCurrentTime() (uint64, Status)                { return host.CurrentTimeNanoseconds() }
func hostSetTickPeriod(milliseconds uint32) Status     { return host.SetTickPeriod(milliseconds) }
func hostSetEffectiveContext(contextID uint32) Status  { return host.SetEffectiveContext(contextID) }
func hostProperty(path string) ([]byte, Status)        { return place(host.Property(path)) }
func hostSetProperty(path string, value []byte) Status { return host.SetProperty(path, value) }
func hostHeader(kind mapType, name string) ([]byte, Status) {
	return place(host.Header(uint32(kind), name))
}

func hostBuffer(kind bufferType, start, size uint32) ([]byte, Status) {
	return place(host.Buffer(uint32(kind), start, size))
}

func hostHeaders(kind mapType) ([]byte, Status) {
	list, status := host.Headers(uint32(kind))
	crossing.encoded = crossing.encoded[:0]
	crossing.encode(list)
	return place(crossing.encoded, status)
}

func hostAddHeader(kind mapType, name, value string) Status {
	return host.AddHeader(uint32(kind), name, value)
}

func hostReplaceHeader(kind mapType, name, value string) Status {
	return host.ReplaceHeader(uint32(kind), name, value)
}

func hostRemoveHeader(kind mapType, name string) Status {
	return host.RemoveHeader(uint32(kind), name)
}

func hostContinue(kind uint32) Status { return host.ContinueStream(kind) }

func hostReply(statusCode uint32, headers, body []byte, grpcStatus int32) Status {
	crossing.reset()
	return host.SendLocalResponse(statusCode, unpack(headers), body, grpcStatus)
}

func hostHTTPCall(cluster string, headers, body, trailers []byte, timeout uint32) (uint32, Status) {
	crossing.reset()
	return host.HTTPCall(cluster, unpack(headers), body, unpack(trailers), timeout)
}

func hostSharedData(key string) ([]byte, uint32, Status) {
	value, cas, status := host.SharedData(key)
	view, status := place(value, status)
	return view, cas, status
}

func hostSetSharedData(key string, value []byte, cas uint32) Status {
	return host.SetSharedData(key, value, cas)
}

func hostRegisterQueue(name string) (uint32, Status)      { return host.RegisterQueue(name) }
func hostResolveQueue(vmID, name string) (uint32, Status) { return host.ResolveQueue(vmID, name) }
func hostEnqueue(queueID uint32, value []byte) Status     { return host.Enqueue(queueID, value) }
func hostDequeue(queueID uint32) ([]byte, Status)         { return place(host.Dequeue(queueID)) }

func hostDefineMetric(kind metricType, name string) (uint32, Status) {
	return host.DefineMetric(uint32(kind), name)
}

func hostIncrementMetric(metricID uint32, offset int64) Status {
	return host.IncrementMetric(metricID, offset)
}

func hostRecordMetric(metricID uint32, value uint64) Status {
	return host.RecordMetric(metricID, value)
}
func hostMetric(metricID uint32) (uint64, Status) { return host.Metric(metricID) }
