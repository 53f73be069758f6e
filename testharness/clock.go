package testharness

import (
	"container/heap"
	"sync"
	"time"
)

// DefaultStart is where a virtual clock begins when nothing else is said.
var DefaultStart = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// DefaultPatience is how long a virtual clock waits, in real time, for a
// handler that was not declared a long poll, unless SetPatience says otherwise.
const DefaultPatience = 2 * time.Second

// Clock is the time that proxies and their guests see: ticks, timeouts of HTTP
// calls, proxy_get_current_time_nanoseconds and WASI clocks all follow it.
//
// A virtual clock stands still until Advance moves it, and runs all proxies
// that share it on one goroutine, in a fixed order. A real clock is the
// machine's.
type Clock struct {
	virtual *virtualTime // nil for a real clock
}

type virtualTime struct {
	mu       sync.Mutex
	now      time.Time
	timers   timerHeap
	nextID   int
	loop     *loop // nil while no proxy is attached
	users    int
	patience time.Duration
}

// NewVirtualClock returns a clock that stands at start until it is advanced.
func NewVirtualClock(start time.Time) *Clock {
	return &Clock{virtual: &virtualTime{now: start, patience: DefaultPatience}}
}

// RealClock returns the machine's clock.
func RealClock() *Clock { return &Clock{} }

// SetPatience sets how long, in real time, Settle and Advance wait for a handler
// that was not declared a long poll. It has no effect on a real clock.
func (c *Clock) SetPatience(d time.Duration) {
	if c.virtual == nil {
		return
	}
	c.virtual.mu.Lock()
	defer c.virtual.mu.Unlock()
	c.virtual.patience = d
	if c.virtual.loop != nil {
		c.virtual.loop.setPatience(d)
	}
}

// Now is the present time.
func (c *Clock) Now() time.Time {
	if c.virtual == nil {
		return time.Now()
	}
	c.virtual.mu.Lock()
	defer c.virtual.mu.Unlock()
	return c.virtual.now
}

// Advance lets d pass. On a virtual clock it fires what is due on the way, in
// order of time, and before and after each lets everything run that can run
// (see Settle). On a real clock it waits for d.
func (c *Clock) Advance(d time.Duration) {
	if c.virtual == nil {
		<-time.After(d)
		return
	}
	v := c.virtual
	v.settle()
	target := c.Now().Add(d)
	for {
		fire, ok := v.next(target)
		if !ok {
			break
		}
		fire()
		v.settle()
	}
}

// Settle waits until nothing more can happen without time passing: no task is
// runnable, and every cluster, upstream and body handler has answered, except
// those declared as long polls (ProxyConfig.WithLongPolls). A handler that does
// not answer within DefaultPatience of real time is from then on treated as one.
// Settle has no effect on a real clock, and must not be called from a handler.
func (c *Clock) Settle() {
	if c.virtual != nil {
		c.virtual.settle()
	}
}

// next moves the time to the next timer until target, or to target when there
// is none.
func (v *virtualTime) next(target time.Time) (fire func(), ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.timers) == 0 || v.timers[0].at.After(target) {
		if target.After(v.now) {
			v.now = target
		}
		return nil, false
	}
	t := heap.Pop(&v.timers).(*virtualTimer)
	if t.at.After(v.now) {
		v.now = t.at
	}
	return t.fire, true
}

func (v *virtualTime) settle() {
	v.mu.Lock()
	loop := v.loop
	v.mu.Unlock()
	if loop != nil {
		loop.settle()
	}
}

// afterFunc calls fire once, when d has passed, unless it is stopped before.
// fire must not block.
func (c *Clock) afterFunc(d time.Duration, fire func()) (stop func()) {
	if c.virtual == nil {
		t := time.AfterFunc(d, fire)
		return func() { t.Stop() }
	}
	v := c.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	v.nextID++
	t := &virtualTimer{at: v.now.Add(d), id: v.nextID, fire: fire}
	heap.Push(&v.timers, t)
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if t.index >= 0 {
			heap.Remove(&v.timers, t.index)
		}
	}
}

// acquireLoop returns the loop on which a thread runs: one for all on a
// virtual clock, one each on a real one.
func (c *Clock) acquireLoop(s *signal) *loop {
	if c.virtual == nil {
		return newLoop(s)
	}
	v := c.virtual
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.users == 0 {
		v.loop = newLoop(&signal{})
		v.loop.setPatience(v.patience)
	}
	v.users++
	return v.loop
}

// releaseLoop ends a loop when nobody uses it any more, and waits for its end.
func (c *Clock) releaseLoop(l *loop) {
	if c.virtual == nil {
		l.close()
		return
	}
	v := c.virtual
	v.mu.Lock()
	v.users--
	last := v.users == 0
	if last {
		v.loop = nil
	}
	v.mu.Unlock()
	if last {
		l.close()
	}
}

type virtualTimer struct {
	at    time.Time
	id    int // breaks ties: first made, first fired
	index int // in the heap; -1 when it is no longer there
	fire  func()
}

type timerHeap []*virtualTimer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].id < h[j].id
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*virtualTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
