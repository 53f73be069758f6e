package testharness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Exchange is a request under way and what comes back for it.
type Exchange struct {
	proxy    *Proxy
	stream   *stream
	method   string
	request  *http.Request
	context  context.Context // the request's, with the exchange in it
	pipe     atomic.Pointer[bodyPipe]
	done     chan struct{}
	bodyRead chan struct{} // closed when the request's body is not read any more

	mu        sync.Mutex
	pieces    []piece
	queued    int           // bytes of body in pieces
	arrived   chan struct{} // has an element when pieces came or the exchange ended
	streaming bool          // somebody takes the pieces as they come
	err       error
}

// piece is a part of a response on its way downstream.
type piece struct {
	headers  *headerMap
	data     []byte
	trailers *headerMap
	end      bool
}

type exchangeKey struct{}

func newExchange(p *Proxy, r *http.Request, streaming bool) *Exchange {
	e := &Exchange{proxy: p, method: r.Method, request: r, done: make(chan struct{}), bodyRead: make(chan struct{}), arrived: make(chan struct{}, 1), streaming: streaming}
	e.context = context.WithValue(r.Context(), exchangeKey{}, e)
	return e
}

// Done is closed when the response is complete and every filter has logged
// and deleted its context.
func (e *Exchange) Done() <-chan struct{} { return e.done }

// Wait waits until the exchange is done and returns the response. Its body is
// complete and in memory. On a virtual clock Wait fails with ErrPaused when
// the stream can only go on if time passes or another request comes; it may be
// called again after that.
func (e *Exchange) Wait(ctx context.Context) (*http.Response, error) {
	defer waitOutside(e.request.Context())()
	if err := e.wait(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return nil, e.err
	}
	return e.response()
}

// ErrPaused says that a stream waits for something that only time or another
// request can bring. See Exchange.Wait.
var ErrPaused = errors.New("the stream is paused and nothing is left that could resume it")

func (e *Exchange) wait(ctx context.Context) error {
	if e.proxy.clock.virtual == nil {
		select {
		case <-e.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l := e.stream.thread.loop
	for {
		next := l.signal.wait()
		select {
		case <-e.done:
			return nil
		default:
		}
		if l.idle() {
			select {
			case <-e.done:
				return nil
			default:
				return fmt.Errorf("%w: use Begin, then Advance the clock or send what it waits for (%s)", ErrPaused, e.request.URL)
			}
		}
		select {
		case <-e.done:
			return nil
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// response builds the response from what went downstream.
func (e *Exchange) response() (*http.Response, error) {
	response := &http.Response{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: e.request.WithContext(e.context)}
	var body bytes.Buffer
	for _, p := range e.pieces {
		if p.headers != nil {
			code, err := strconv.Atoi(p.headers.value(":status"))
			if err != nil {
				return nil, fmt.Errorf("the response has no valid :status: %w", err)
			}
			response.StatusCode, response.Status = code, fmt.Sprintf("%d %s", code, http.StatusText(code))
			response.Header = p.headers.header()
		}
		body.Write(p.data)
		if p.trailers != nil {
			response.Trailer = p.trailers.header()
		}
	}
	response.ContentLength = int64(body.Len())
	response.Body = io.NopCloser(bytes.NewReader(body.Bytes()))
	return response, nil
}

func (e *Exchange) push(p piece) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pieces = append(e.pieces, p)
	e.queued += len(p.data)
	e.notify()
}

func (e *Exchange) notify() {
	select {
	case e.arrived <- struct{}{}:
	default:
	}
}

func (e *Exchange) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
	e.notify()
}

func (e *Exchange) finish() {
	close(e.done)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notify()
}

// closeBody closes the request's body, as http.Client does. net/http's server
// does it for requests that it serves.
func (e *Exchange) closeBody() {
	if e.request.Body != nil && !e.streaming {
		_ = e.request.Body.Close() // nobody is left to tell
	}
}

// backlog is how many bytes wait for a slow client.
func (e *Exchange) backlog() int {
	if !e.streaming {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queued
}

// take removes what has come so far.
func (e *Exchange) take() ([]piece, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	pieces := e.pieces
	e.pieces, e.queued = nil, 0
	return pieces, e.err
}

// sendHeaders sends the response headers downstream. Without a :status it is
// 502, as in Envoy.
func (s *stream) sendHeaders(end bool) {
	if s.response.headers.code() == 0 {
		s.withoutStatus()
		return
	}
	s.info.code = s.response.headers.code()
	s.headersSent = true
	s.exchange.push(piece{headers: s.response.headers, end: end})
	if end {
		s.end()
	}
}

// withoutStatus answers for filters that removed what makes a response.
func (s *stream) withoutStatus() {
	const message = "missing required header: :status"
	s.sendLocalReply(nil, localReply{code: http.StatusBadGateway, body: message, grpcStatus: noGRPCStatus,
		details: "filter_removed_required_response_headers{" + strings.ReplaceAll(message, " ", "_") + "}"})
}

func (s *stream) sendBody(data []byte, end bool) {
	s.info.sent += len(data)
	s.exchange.push(piece{data: bytes.Clone(data), end: end})
	if end {
		s.end()
	}
}

func (s *stream) sendTrailers() {
	s.exchange.push(piece{trailers: s.response.trailers, end: true})
	s.end()
}

// readRequest lets a request's body in, piece by piece.
func (e *Exchange) readRequest(body io.Reader, h *hold) {
	defer close(e.bodyRead)
	defer h.release()
	s := e.stream
	for {
		data := make([]byte, 16<<10)
		n, err := body.Read(data)
		if n > 0 && !e.sendPiece(data[:n], h) {
			return
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			h.post(func() { s.requestEnd(e.request.Trailer) })
			return
		default:
			h.post(func() {
				s.info.codeDetails = "downstream_remote_disconnect"
				s.reset(fmt.Errorf("read request body: %w", err))
			})
			return
		}
	}
}

// sendPiece posts a piece and waits until the next is welcome.
func (e *Exchange) sendPiece(data []byte, h *hold) bool {
	acknowledged := make(chan struct{})
	ack := func() { h.renew(); close(acknowledged) }
	s := e.stream
	if !h.post(func() {
		if s.ended {
			ack()
			return
		}
		s.info.received += len(data)
		s.passBody(&s.request, 0, data, false)
		s.acknowledge(&s.request, ack)
	}) {
		return false
	}
	h.pause()
	<-acknowledged
	if pipe := e.pipe.Load(); pipe != nil {
		pipe.waitBelow(bufferLimit)
	}
	return !isClosed(e.done)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// requestEnd ends the request after its body. As with HTTP/1 in Envoy, the end
// comes as an empty piece of body of its own, or as trailers.
func (s *stream) requestEnd(trailer http.Header) {
	if s.ended {
		return
	}
	if len(trailer) == 0 {
		s.passBody(&s.request, 0, nil, true)
		return
	}
	s.request.trailers = &headerMap{}
	for _, name := range sortedNames(trailer) {
		for _, value := range trailer[name] {
			s.request.trailers.add(name, value)
		}
	}
	s.passTrailers(&s.request, 0)
}
