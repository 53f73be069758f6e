package testharness

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// httpCall is a call that a guest made with proxy_http_call.
type httpCall struct {
	*handlerCall
	root      *guestContext
	token     uint32
	cluster   string
	answer    callAnswer
	noTimeout func() // stops the timeout
}

// callAnswer is the whole answer to a call.
type callAnswer struct {
	headers  *headerMap
	body     []byte
	trailers *headerMap
}

// maxCallBody is how much of an answer is taken; more is a reset (Envoy's
// ExceedResponseBufferLimit: 32 MiB here, so that large snapshots pass).
const maxCallBody = 32 << 20

// hostHTTPCall calls a cluster. The answer goes to the root context, whichever
// context asked (Context::httpCall). The first token is 4, as in Envoy.
func hostHTTPCall(v *vm, p params) status {
	cluster, ok1 := v.readString(p.u32(0), p.u32(1))
	headers, ok2 := v.read(p.u32(2), p.u32(3))
	body, ok3 := v.read(p.u32(4), p.u32(5))
	trailers, ok4 := v.read(p.u32(6), p.u32(7))
	if !ok1 || !ok2 || !ok3 || !ok4 || v.writeUint32s(p.u32(9), 0) != statusOK {
		return statusInvalidMemoryAccess
	}
	handler := v.thread.proxy.config.clusters[cluster]
	h := newRequestHeaders()
	for _, pair := range unmarshalPairs(headers) {
		h.add(pair.name, pair.value)
	}
	if handler == nil || int32(p.u32(8)) < 0 || h.missing(":method", ":path", ":authority") != "" {
		return statusBadArgument
	}
	if len(body) > 0 {
		h.set("content-length", strconv.Itoa(len(body)))
	}
	v.lastCall += 4
	c := &httpCall{root: v.effective().root, token: v.lastCall, cluster: cluster}
	request := httpRequest(h, "127.0.0.1:0").WithContext(context.Background())
	request.Trailer = (&headerMap{pairs: unmarshalPairs(trailers)}).header()
	request.ContentLength = int64(len(body))
	c.begin(handler, request, body, p.u32(8))
	return v.writeUint32s(p.u32(9), c.token)
}

func (c *httpCall) begin(handler http.Handler, request *http.Request, body []byte, timeout uint32) {
	v := c.root.vm
	p := v.thread.proxy
	c.handlerCall = &handlerCall{
		loop: v.thread.loop, handler: handler, request: request,
		onHeaders: func(h *headerMap, end bool) {
			c.answer.headers = h
			if end {
				c.finish(&c.answer)
			}
		},
		onBody: func(data []byte, ack func()) {
			c.answer.body = append(c.answer.body, data...)
			if len(c.answer.body) > maxCallBody {
				c.finish(nil)
			}
			ack()
		},
		onEnd: func(trailers *headerMap) {
			c.answer.trailers = trailers
			c.finish(&c.answer)
		},
		onAbort: c.aborted,
	}
	if c.root.calls == nil {
		c.root.calls = map[uint32]*httpCall{}
	}
	c.root.calls[c.token] = c
	// Not at once: a canary that is thrown away must not have called anybody.
	v.thread.loop.post(func() {
		if c.root.calls[c.token] == c {
			c.start(&p.handlers, p.isLongPoll(request))
			c.body.write(body, true)
		}
	})
	if timeout > 0 {
		c.noTimeout = p.clock.afterFunc(milliseconds(timeout), func() { v.thread.loop.post(c.timedOut) })
	}
}

// timedOut answers 504 in place of the cluster, which the guest sees as an
// answer like any other: so does Envoy, whose async client's router makes a
// local reply.
func (c *httpCall) timedOut() {
	c.finish(localAnswer(http.StatusGatewayTimeout, "upstream request timeout"))
}

// aborted answers 503 for a cluster that broke off before its headers; after
// them the guest gets an answer without headers (onHttpCallFailure).
func (c *httpCall) aborted(err error, begun bool) {
	p := c.root.vm.thread.proxy
	p.logs.append(p.entry(nil, LogError, fmt.Sprintf("cluster %s: %v", c.cluster, err)))
	if begun {
		c.finish(nil)
		return
	}
	c.finish(localAnswer(http.StatusServiceUnavailable,
		"upstream connect error or disconnect/reset before headers. reset reason: connection termination"))
}

func localAnswer(code int, body string) *callAnswer {
	return &callAnswer{
		headers: &headerMap{pairs: []pair{
			{":status", strconv.Itoa(code)}, {"content-length", strconv.Itoa(len(body))}, {"content-type", "text/plain"},
		}},
		body: bytes.Clone([]byte(body)),
	}
}

// finish gives the answer to the guest, once; nil for a reset.
func (c *httpCall) finish(answer *callAnswer) {
	if c.root.calls[c.token] != c {
		return
	}
	c.forget()
	root := c.root
	if answer == nil {
		root.callStatus, root.callMessage = statusBrokenConnection, "reset"
	}
	root.onHTTPCallResponse(c.token, answer)
	root.callMessage = ""
}

// forget drops a call; a later answer is ignored.
func (c *httpCall) forget() {
	delete(c.root.calls, c.token)
	if c.noTimeout != nil {
		c.noTimeout()
	}
	c.stop()
}

// cancelCalls drops what a context that ends has called.
func (c *guestContext) cancelCalls() {
	for _, call := range c.calls {
		call.forget()
	}
}
