package testharness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrProxyClosed is what a request gets when its proxy has been closed.
var ErrProxyClosed = errors.New("the proxy is closed")

// Proxy simulates one proxy process. Its methods may be called from any
// goroutine.
type Proxy struct {
	config   ProxyConfig
	clock    *Clock
	signal   signal
	main     *thread
	workers  []*thread
	handlers sync.WaitGroup // upstreams, clusters and bodies under way

	shared    sharedData
	queues    sharedQueues
	metrics   metricStore
	logs      logStore
	reloads   atomic.Int64
	failures  atomic.Int64
	next      atomic.Uint32 // worker
	streamIDs atomic.Uint64
	closing   sync.Once
	closed    atomic.Bool
	closeErr  error
}

// NewProxy starts a proxy: it tries every plugin in a VM of its own, as Envoy
// does, and then makes the VMs of the main thread and of each worker. A plugin
// that refuses to start or to be configured fails the whole, as in Envoy.
func NewProxy(ctx context.Context, config ProxyConfig) (*Proxy, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	p := &Proxy{config: config, clock: config.clock}
	if p.clock == nil {
		p.clock = NewVirtualClock(DefaultStart)
	}
	p.shared.init()
	p.logs.handle = config.onLog
	p.main = newThread(p, mainThread)
	for i := range config.workers {
		p.workers = append(p.workers, newThread(p, i))
	}
	if err := p.load(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Proxy) load(ctx context.Context) error {
	var err error
	p.main.loop.call(func() {
		if err = p.main.canary(p.config.filters); err == nil {
			err = p.main.load(p.config.filters)
		}
	})
	for _, t := range p.workers {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			t.loop.call(func() { err = t.load(p.config.filters) })
		}
	}
	return err
}

// Close ends everything: streams under way are reset, guests get their last
// callbacks, handlers' contexts are canceled and waited for.
func (p *Proxy) Close() error {
	p.closing.Do(func() {
		p.closed.Store(true)
		var errs []error
		for _, t := range append(p.workers, p.main) {
			t.loop.call(func() { errs = append(errs, t.shutdown()) })
		}
		p.handlers.Wait()
		for _, t := range append(p.workers, p.main) {
			p.clock.releaseLoop(t.loop)
		}
		p.closeErr = errors.Join(errs...)
	})
	return p.closeErr
}

// Do sends a request through the filters on the next worker in turn and waits
// for the whole response, and until every filter has logged it. See
// Exchange.Wait for the errors.
//
// A RequestURI goes in byte for byte as :path, but for the absolute form,
// which is taken apart as Envoy does. Without one the URL counts.
func (p *Proxy) Do(r *http.Request) (*http.Response, error) { return p.DoOn(p.nextWorker(), r) }

// DoOn is Do on a given worker, counted from 0.
func (p *Proxy) DoOn(worker int, r *http.Request) (*http.Response, error) {
	e, err := p.BeginOn(worker, r)
	if err != nil {
		return nil, err
	}
	response, err := e.Wait(r.Context())
	if err != nil && !isClosed(e.Done()) {
		e.abandon()
	}
	return response, err
}

// Begin sends a request without waiting for the response, on the next worker
// in turn.
func (p *Proxy) Begin(r *http.Request) (*Exchange, error) { return p.BeginOn(p.nextWorker(), r) }

// BeginOn is Begin on a given worker, counted from 0.
func (p *Proxy) BeginOn(worker int, r *http.Request) (*Exchange, error) {
	if worker < 0 || worker >= len(p.workers) {
		return nil, fmt.Errorf("there is no worker %d: the proxy has %d, counted from 0", worker, len(p.workers))
	}
	return p.begin(worker, r, false)
}

func (p *Proxy) nextWorker() int {
	return int(p.next.Add(1)-1) % len(p.workers)
}

func (p *Proxy) begin(worker int, r *http.Request, streaming bool) (*Exchange, error) {
	headers, err := requestHeaders(r)
	if err != nil {
		return nil, err
	}
	if p.closed.Load() {
		return nil, ErrProxyClosed
	}
	e := newExchange(p, r, streaming)
	t := p.workers[worker]
	hasBody := r.Body != nil && r.Body != http.NoBody
	e.stream = &stream{
		proxy: p, thread: t, exchange: e, request: direction{headers: headers}, response: direction{response: true},
		info: streamInfo{
			id: p.streamIDs.Add(1), start: p.clock.Now(), protocol: protocolOf(r), source: remoteOf(r), destination: localOf(r),
			route: "default", cluster: "upstream", filterState: map[string][]byte{},
		},
	}
	if !t.loop.post(func() { e.stream.start(!hasBody) }) {
		return nil, ErrProxyClosed
	}
	if !hasBody {
		close(e.bodyRead)
		return e, nil
	}
	h := t.loop.hold(false)
	p.handlers.Go(func() { e.readRequest(r.Body, h) })
	return e, nil
}

// Advance lets time pass; see Clock.Advance.
func (p *Proxy) Advance(d time.Duration) { p.clock.Advance(d) }

// Settle waits until nothing more can happen without time passing; see
// Clock.Settle.
func (p *Proxy) Settle() { p.clock.Settle() }

// Await waits until a condition holds. It looks again whenever something has
// happened in the proxy; on a virtual clock no time passes meanwhile.
func (p *Proxy) Await(ctx context.Context, condition func() bool) error {
	for {
		next := p.main.loop.signal.wait()
		if condition() {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("await a condition: %w", ctx.Err())
		}
	}
}

// Clock is the proxy's clock.
func (p *Proxy) Clock() *Clock { return p.clock }

// Reloads counts the VMs that were made anew under FailReload, per plugin and
// thread (Envoy's vm_reload_success).
func (p *Proxy) Reloads() int { return int(p.reloads.Load()) }

// Failures counts the VMs that failed.
func (p *Proxy) Failures() int { return int(p.failures.Load()) }

func (p *Proxy) vmFailed(v *vm, err error) {
	p.failures.Add(1)
	p.logs.append(p.entry(&guestContext{vm: v, filter: v.filter}, LogCritical, "VM failed: "+err.Error()))
}

// FilterState is what filters set as properties on the stream of a response
// (set_property), under the names that Envoy's access log uses: "wasm." and
// the property's name. It is nil for a response of another origin.
func (p *Proxy) FilterState(response *http.Response) map[string]string {
	e := exchangeOf(response)
	if e == nil || !isClosed(e.done) {
		return nil
	}
	state := map[string]string{}
	for name, value := range e.stream.info.filterState {
		state[name] = string(value)
	}
	return state
}

// CodeDetails is Envoy's response_code_details of a response: who answered and
// why, for instance via_upstream.
func (p *Proxy) CodeDetails(response *http.Response) string {
	e := exchangeOf(response)
	if e == nil || !isClosed(e.done) {
		return ""
	}
	return e.stream.info.codeDetails
}

func exchangeOf(response *http.Response) *Exchange {
	if response == nil || response.Request == nil {
		return nil
	}
	e, _ := response.Request.Context().Value(exchangeKey{}).(*Exchange)
	return e
}

func (p *Proxy) isLongPoll(r *http.Request) bool {
	return p.config.longPoll != nil && p.config.longPoll(r)
}

func protocolOf(r *http.Request) string {
	if r.Proto == "" {
		return "HTTP/1.1"
	}
	return r.Proto
}

func remoteOf(r *http.Request) string {
	if r.RemoteAddr == "" {
		return "127.0.0.1:40000"
	}
	return r.RemoteAddr
}

func localOf(r *http.Request) string {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(interface{ String() string }); ok {
		return addr.String()
	}
	return "127.0.0.1:10000"
}
