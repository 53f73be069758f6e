package testharness

import (
	"context"
	"net/http"
	"time"
)

// ServeHTTP serves a request from a real client: it goes through the filters
// on one of the workers, in turn, and the response is written as it comes. A
// client that goes away resets the stream. It makes the proxy an http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer waitOutside(r.Context())()
	e, err := p.begin(p.nextWorker(), r, true)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// Not with the request: the connection would drain the body beside us.
	_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 has it anyway
	for e.next(r.Context()) {
		pieces, err := e.take()
		if !writePieces(w, pieces) || err != nil {
			e.abandon()
			panic(http.ErrAbortHandler) // how net/http cuts a response short
		}
		e.drained()
		if len(pieces) > 0 && pieces[len(pieces)-1].end {
			break
		}
	}
	if r.Context().Err() != nil {
		e.abandon()
	}
	<-e.done
	e.endBody(w)
}

// endBody waits until nobody reads the request's body any more, which a
// handler must leave alone when it returns. Of a client that is still sending
// it when the response is complete nothing more is read, as in Envoy.
func (e *Exchange) endBody(w http.ResponseWriter) {
	select {
	case <-e.bodyRead:
		return
	default:
	}
	if http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) == nil {
		<-e.bodyRead
	}
}

// next waits for more of the response. It reports false when there is none.
func (e *Exchange) next(ctx context.Context) bool {
	select {
	case <-e.arrived:
		return true
	case <-ctx.Done():
		return false
	}
}

// drained lets an upstream go on that waited for a slow client.
func (e *Exchange) drained() {
	s := e.stream
	s.thread.loop.post(func() { s.releaseSender(&s.response) })
}

// abandon resets the stream, for the client is gone.
func (e *Exchange) abandon() {
	s := e.stream
	s.thread.loop.post(func() {
		if !s.ended {
			s.info.codeDetails = "downstream_remote_disconnect"
			s.reset(context.Canceled)
		}
	})
}

// writePieces writes to the client and flushes. It reports false when the
// client cannot be reached.
func writePieces(w http.ResponseWriter, pieces []piece) bool {
	for _, p := range pieces {
		if p.headers != nil {
			writeHeaders(w, p.headers)
		}
		if len(p.data) > 0 {
			if _, err := w.Write(p.data); err != nil {
				return false
			}
		}
		for name, values := range p.trailers.header() {
			for _, value := range values {
				w.Header().Add(http.TrailerPrefix+name, value)
			}
		}
	}
	if len(pieces) > 0 && !pieces[len(pieces)-1].end {
		return http.NewResponseController(w).Flush() == nil
	}
	return true
}

func writeHeaders(w http.ResponseWriter, headers *headerMap) {
	for name, values := range headers.header() {
		w.Header()[name] = values
	}
	code := headers.code()
	w.WriteHeader(code)
}
