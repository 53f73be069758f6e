package proxywasm

// mapType names a list of headers or trailers (proxy_header_map_type_t).
type mapType uint32

const (
	requestHeaders      mapType = 0
	requestTrailers     mapType = 1
	responseHeaders     mapType = 2
	callResponseHeaders mapType = 6
)

// GetHttpRequestHeader returns the first value of the request header, as a view; ErrNotFound if there
// is none. Names are in lower case. Use GetHttpRequestHeaders to see duplicates.
func GetHttpRequestHeader(name string) (string, error) { return headerValue(requestHeaders, name) }

// GetHttpRequestHeaders returns all request headers in their order, duplicates included. List and
// strings are views.
func GetHttpRequestHeaders() ([][2]string, error) { return headerPairs(requestHeaders) }

// AddHttpRequestHeader adds a request header beside those of the same name.
func AddHttpRequestHeader(name, value string) error {
	return statusError(hostAddHeader(requestHeaders, name, value))
}

// ReplaceHttpRequestHeader sets the request header, whatever was there.
func ReplaceHttpRequestHeader(name, value string) error {
	return statusError(hostReplaceHeader(requestHeaders, name, value))
}

// RemoveHttpRequestHeader removes all values of the request header.
func RemoveHttpRequestHeader(name string) error {
	return statusError(hostRemoveHeader(requestHeaders, name))
}

// GetHttpRequestTrailer returns the first value of the request trailer, as a view; ErrNotFound if
// there is none.
func GetHttpRequestTrailer(name string) (string, error) { return headerValue(requestTrailers, name) }

// GetHttpRequestTrailers returns all request trailers, duplicates included, as views.
func GetHttpRequestTrailers() ([][2]string, error) { return headerPairs(requestTrailers) }

// AddHttpRequestTrailer adds a request trailer beside those of the same name.
func AddHttpRequestTrailer(name, value string) error {
	return statusError(hostAddHeader(requestTrailers, name, value))
}

// ReplaceHttpRequestTrailer sets the request trailer, whatever was there.
func ReplaceHttpRequestTrailer(name, value string) error {
	return statusError(hostReplaceHeader(requestTrailers, name, value))
}

// RemoveHttpRequestTrailer removes all values of the request trailer.
func RemoveHttpRequestTrailer(name string) error {
	return statusError(hostRemoveHeader(requestTrailers, name))
}

// GetHttpResponseHeader returns the first value of the response header, as a view; ErrNotFound if
// there is none.
func GetHttpResponseHeader(name string) (string, error) { return headerValue(responseHeaders, name) }

// GetHttpResponseHeaders returns all response headers, duplicates included, as views.
func GetHttpResponseHeaders() ([][2]string, error) { return headerPairs(responseHeaders) }

// AddHttpResponseHeader adds a response header beside those of the same name.
func AddHttpResponseHeader(name, value string) error {
	return statusError(hostAddHeader(responseHeaders, name, value))
}

// ReplaceHttpResponseHeader sets the response header, whatever was there.
func ReplaceHttpResponseHeader(name, value string) error {
	return statusError(hostReplaceHeader(responseHeaders, name, value))
}

// RemoveHttpResponseHeader removes all values of the response header.
func RemoveHttpResponseHeader(name string) error {
	return statusError(hostRemoveHeader(responseHeaders, name))
}

// ResumeHttpRequest lets a request go on that a callback paused.
func ResumeHttpRequest() error { return statusError(hostContinue(streamRequest)) }

// SendHttpResponse answers the request instead of its upstream; return ActionPause afterwards.
// headers and body are read before it returns. gRPCStatus is -1 unless the request is gRPC. Hosts
// send such an answer once a stream: another call may succeed without effect or be ErrBadArgument.
func SendHttpResponse(statusCode uint32, headers [][2]string, body []byte, gRPCStatus int32) error {
	vm.pairs.encoded = vm.pairs.encoded[:0]
	vm.pairs.encode(headers)
	status := hostReply(statusCode, vm.pairs.encoded, body, gRPCStatus)
	if status == StatusOK && (vm.effective == 0 || vm.effective == vm.active) {
		vm.replied = true
	}
	return statusError(status)
}

// DispatchHttpCall sends a request to a cluster of the host; headers must have :method, :path and
// :authority. callback runs once, with the counts of what GetHttpCallResponseHeaders and
// GetHttpCallResponseBody then return, in the context that made the call; never if that is deleted
// before. All counts are 0 if there was no answer: a timeout, a reset, no connection.
func DispatchHttpCall(cluster string, headers [][2]string, body []byte, trailers [][2]string,
	timeoutMilliseconds uint32, callback func(numHeaders, bodySize, numTrailers int)) (calloutID uint32, err error) {
	vm.pairs.encoded = vm.pairs.encoded[:0]
	vm.pairs.encode(headers)
	split := len(vm.pairs.encoded)
	vm.pairs.encode(trailers)
	id, status := hostHTTPCall(cluster, vm.pairs.encoded[:split], body, vm.pairs.encoded[split:], timeoutMilliseconds)
	if status != StatusOK {
		return 0, statusError(status)
	}
	caller := vm.active
	if vm.effective != 0 {
		caller = vm.effective
	}
	vm.callouts = append(vm.callouts, callout{id: id, caller: caller, callback: callFaults(callback)})
	return id, nil
}

// GetHttpCallResponseHeaders returns the headers of the answer, as views; within the callback of
// DispatchHttpCall only.
func GetHttpCallResponseHeaders() ([][2]string, error) { return headerPairs(callResponseHeaders) }

// GetHttpCallResponseHeader returns the first value of the answer's header, as a view; within the
// callback of DispatchHttpCall only.
func GetHttpCallResponseHeader(name string) (string, error) {
	return headerValue(callResponseHeaders, name)
}

// GetHttpCallResponseBody returns at most maxSize bytes of the answer's body from start on, as a
// view; empty if there is no more. Within the callback of DispatchHttpCall only.
func GetHttpCallResponseBody(start, maxSize int) ([]byte, error) {
	return buffer(callResponseBody, start, maxSize)
}

func headerValue(kind mapType, name string) (string, error) {
	value, status := hostHeader(kind, name)
	return ViewString(value), statusError(status)
}

func headerPairs(kind mapType) ([][2]string, error) {
	data, status := hostHeaders(kind)
	if status != StatusOK {
		return nil, statusError(status)
	}
	list, ok := vm.pairs.decode(data)
	if !ok {
		return nil, ErrSerialization
	}
	return list, nil
}
