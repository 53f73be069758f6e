package testharness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// handlerCall runs an http.Handler outside the loop and reports what it
// answers, piece by piece, on the loop.
type handlerCall struct {
	loop    *loop
	handler http.Handler
	request *http.Request
	body    *bodyPipe
	cancel  context.CancelFunc
	hold    *hold
	// Called on the loop. headers' end means that no body follows. Each body
	// piece must be acknowledged before the handler goes on writing.
	onHeaders func(headers *headerMap, end bool)
	onBody    func(data []byte, ack func())
	onEnd     func(trailers *headerMap)
	onAbort   func(err error, begun bool)
}

// start runs the handler. What it reads comes from send.
func (c *handlerCall) start(running *sync.WaitGroup, longPoll bool) {
	c.hold = c.loop.hold(longPoll)
	ctx, cancel := context.WithCancel(context.WithValue(c.request.Context(), holdKey{}, c.hold))
	c.cancel = cancel
	c.body = newBodyPipe(c.hold)
	c.request = c.request.WithContext(ctx)
	c.request.Body = c.body
	running.Go(func() {
		defer c.hold.release()
		defer cancel()
		w := &handlerWriter{call: c, header: http.Header{}}
		if err := w.serve(); err != nil {
			c.hold.post(func() { c.onAbort(err, w.sent) })
		}
	})
}

// stop breaks off a handler whose answer nobody wants any more. It may come
// before start.
func (c *handlerCall) stop() {
	if c.hold == nil {
		return
	}
	c.cancel()
	c.body.fail(context.Canceled)
	c.hold.release()
}

// holdKey is where a handler's request carries its hold: a handler that sends
// its request on to another proxy waits for the loop, not the other way round.
type holdKey struct{}

// waitOutside pauses the hold of the handler on whose behalf a request came.
func waitOutside(ctx context.Context) (again func()) {
	h, ok := ctx.Value(holdKey{}).(*hold)
	if !ok {
		return func() {}
	}
	h.pause()
	return h.renew
}

// handlerWriter is the http.ResponseWriter of a handlerCall. It decides about
// Content-Length and Content-Type as net/http's server does.
type handlerWriter struct {
	call     *handlerCall
	header   http.Header
	status   int
	buffered []byte
	sent     bool
	length   int
}

// flushAt is how much net/http's server buffers before it sends headers.
const flushAt = 2048

func (w *handlerWriter) serve() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the handler panicked: %v", cause)
			if aborted, ok := cause.(error); !ok || !errors.Is(aborted, http.ErrAbortHandler) {
				err = fmt.Errorf("%w\n%s", err, debug.Stack())
			}
		}
	}()
	w.call.handler.ServeHTTP(w, w.call.request)
	w.finish()
	return nil
}

func (w *handlerWriter) Header() http.Header { return w.header }

func (w *handlerWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *handlerWriter) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.length += len(data)
	if w.bodyless() {
		return len(data), nil
	}
	w.buffered = append(w.buffered, data...)
	if len(w.buffered) >= flushAt {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	return len(data), nil
}

// Flush sends what is buffered; it makes the writer an http.Flusher.
func (w *handlerWriter) Flush() {
	w.WriteHeader(http.StatusOK)
	_ = w.flush() // the next Write reports it
}

func (w *handlerWriter) bodyless() bool {
	return w.call.request.Method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

func (w *handlerWriter) flush() error {
	w.sendHeaders(false)
	if len(w.buffered) == 0 {
		return w.call.request.Context().Err()
	}
	data := w.buffered
	w.buffered = nil
	acknowledged := make(chan struct{})
	var once sync.Once
	ack := func() {
		once.Do(func() {
			w.call.hold.renew()
			close(acknowledged)
		})
	}
	if !w.call.hold.post(func() { w.call.onBody(data, ack) }) {
		return context.Canceled
	}
	w.call.hold.pause()
	select {
	case <-acknowledged:
		return nil
	case <-w.call.request.Context().Done():
		return w.call.request.Context().Err()
	}
}

// sendHeaders sends the headers once; whole says that the body is known.
func (w *handlerWriter) sendHeaders(whole bool) {
	if w.sent {
		return
	}
	w.sent = true
	trailers := w.trailers()
	if whole && len(trailers) == 0 && w.header.Get("Content-Length") == "" && (w.length > 0 || !w.bodyless()) {
		w.header.Set("Content-Length", strconv.Itoa(w.length))
	}
	if _, set := w.header["Content-Type"]; !set && len(w.buffered) > 0 {
		w.header.Set("Content-Type", http.DetectContentType(w.buffered))
	}
	header := w.header.Clone()
	for name := range trailers {
		header.Del(name)
		header.Del(http.TrailerPrefix + name)
	}
	header.Del("Trailer")
	header.Del("Transfer-Encoding")
	headers := headersFromHTTP(w.status, header)
	end := w.bodyless() || whole && len(w.buffered) == 0 && len(trailers) == 0
	w.call.hold.post(func() { w.call.onHeaders(headers, end) })
}

// trailers are the headers declared in Trailer, or with http.TrailerPrefix.
func (w *handlerWriter) trailers() http.Header {
	trailers := http.Header{}
	for _, names := range w.header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			trailers[name] = w.header[name]
		}
	}
	for name, values := range w.header {
		if trailer, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			trailers[trailer] = values
		}
	}
	return trailers
}

func (w *handlerWriter) finish() {
	w.WriteHeader(http.StatusOK)
	begun := w.sent
	w.sendHeaders(true)
	end := w.bodyless() || !begun && len(w.buffered) == 0 && len(w.trailers()) == 0
	if end {
		return
	}
	if len(w.buffered) > 0 && w.flush() != nil {
		return
	}
	var trailers *headerMap
	for name, values := range w.trailers() {
		if trailers == nil {
			trailers = &headerMap{}
		}
		for _, value := range values {
			trailers.add(name, value)
		}
	}
	w.call.hold.post(func() { w.call.onEnd(trailers) })
}

// bodyPipe carries a body from the loop to a handler. Writing never blocks.
type bodyPipe struct {
	hold    *hold // of the handler that reads
	mu      sync.Mutex
	changed *sync.Cond
	data    []byte
	err     error // io.EOF after the end
	trailer func()
}

func newBodyPipe(h *hold) *bodyPipe {
	p := &bodyPipe{hold: h}
	p.changed = sync.NewCond(&p.mu)
	return p
}

func (p *bodyPipe) write(data []byte, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.data = append(p.data, data...)
		if end {
			p.err = io.EOF
		}
		p.hold.renew()
		p.changed.Broadcast()
	}
}

func (p *bodyPipe) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		p.changed.Broadcast()
	}
}

// Read implements io.Reader for the handler.
func (p *bodyPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.data) == 0 && p.err == nil {
		p.hold.pause()
		p.changed.Wait()
	}
	if len(p.data) == 0 {
		if errors.Is(p.err, io.EOF) && p.trailer != nil {
			p.trailer()
			p.trailer = nil
		}
		return 0, p.err
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	p.changed.Broadcast()
	return n, nil
}

// Close implements io.Closer: the handler wants no more.
func (p *bodyPipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data, p.err = nil, io.ErrClosedPipe
	p.changed.Broadcast()
	return nil
}

// waitBelow waits until the handler has read all but limit bytes.
func (p *bodyPipe) waitBelow(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.data) > limit && p.err == nil {
		p.changed.Wait()
	}
}
