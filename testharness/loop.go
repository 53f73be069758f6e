package testharness

import (
	"sync"
	"time"
)

// loop runs posted tasks one after the other on a goroutine of its own. All
// that touches a thread's VMs and streams runs on that thread's loop.
type loop struct {
	signal *signal
	done   chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	tasks   []func()
	running bool
	closed  bool
	holds   map[*hold]struct{} // outside work that is expected to post soon
	pending int                // all outside work that may still post
	turn    uint64             // of the youngest hold
	// patience is above 0 on a virtual clock: then outside work posts in the
	// order in which it began, unless somebody takes longer than that.
	patience time.Duration
}

// hold stands for work outside the loop, such as a handler that computes an
// answer: it is active while that work may post something of its own accord.
// settle waits for active holds, but not for long polls.
type hold struct {
	loop     *loop
	longPoll bool
	active   bool
	ended    bool
	turn     uint64
	since    time.Time // in real time
}

func newLoop(s *signal) *loop {
	l := &loop{signal: s, done: make(chan struct{}), holds: map[*hold]struct{}{}}
	l.changed = sync.NewCond(&l.mu)
	go l.run()
	return l
}

func (l *loop) setPatience(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.patience = max(d, 1)
}

// post appends a task. It reports false when the loop has ended; the task is
// dropped then.
func (l *loop) post(task func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.tasks = append(l.tasks, task)
	l.changed.Broadcast()
	return true
}

func (l *loop) run() {
	defer close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.tasks) == 0 && !l.closed {
			l.changed.Wait()
		}
		if len(l.tasks) == 0 {
			return
		}
		task := l.tasks[0]
		l.tasks[0] = nil
		l.tasks = l.tasks[1:]
		l.running = true
		l.mu.Unlock()
		task()
		l.mu.Lock()
		l.running = false
		l.changed.Broadcast()
		l.mu.Unlock()
		l.signal.broadcast()
		l.mu.Lock()
	}
}

// close runs what was posted already and ends the goroutine.
func (l *loop) close() {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	<-l.done
}

// call runs a task on the loop and waits for its end. It reports false when
// the loop has ended. It must not be called from the loop itself.
func (l *loop) call(task func()) bool {
	finished := make(chan struct{})
	if !l.post(func() { defer close(finished); task() }) {
		return false
	}
	<-finished
	return true
}

// hold notes that work outside the loop has begun.
func (l *loop) hold(longPoll bool) *hold {
	h := &hold{loop: l, longPoll: longPoll}
	h.renew()
	return h
}

// renew makes a hold active again.
func (h *hold) renew() {
	h.loop.mu.Lock()
	defer h.loop.mu.Unlock()
	if h.active || h.ended {
		return
	}
	h.active, h.since = true, time.Now()
	h.loop.turn++
	h.turn = h.loop.turn
	h.loop.pending++
	if !h.longPoll {
		h.loop.holds[h] = struct{}{}
	}
}

// pause says that the work waits for the loop. What it posted before counts.
func (h *hold) pause() {
	h.loop.mu.Lock()
	if h.active {
		h.active = false
		h.loop.pending--
		delete(h.loop.holds, h)
		h.loop.changed.Broadcast()
	}
	h.loop.mu.Unlock()
	h.loop.signal.broadcast()
}

// post posts what the work has come to. On a virtual clock it waits until all
// other work that began earlier has posted or is waiting itself, so that a test
// sees the same order every time, however fast its handlers are.
func (h *hold) post(task func()) bool {
	l := h.loop
	l.mu.Lock()
	wait := l.patience > 0 && !h.longPoll && l.heldBefore(h.turn)
	l.mu.Unlock()
	if wait {
		impatient := l.startPatience()
		defer impatient.Stop()
		l.mu.Lock()
		for h.active && !l.closed && l.heldBefore(h.turn) {
			l.changed.Wait()
		}
		l.mu.Unlock()
	}
	return l.post(task)
}

func (l *loop) heldBefore(turn uint64) bool {
	for other := range l.holds {
		if other.turn < turn {
			return true
		}
	}
	return false
}

// release ends a hold for good.
func (h *hold) release() {
	h.pause()
	h.loop.mu.Lock()
	h.ended = true
	h.loop.mu.Unlock()
}

// idle reports that neither a task nor any outside work is left, not even a
// long poll: nothing will happen unless time passes or something new comes in.
func (l *loop) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tasks) == 0 && !l.running && l.pending == 0
}

// settle waits until no task is left and all holds are released. A hold that
// has lasted longer than patience is given up.
func (l *loop) settle() {
	impatient := l.startPatience()
	defer impatient.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for (len(l.tasks) > 0 || l.running || len(l.holds) > 0) && !l.closed {
		l.changed.Wait()
	}
}

// impatience gives up old holds, again and again until it is stopped.
type impatience struct {
	mu    sync.Mutex
	timer *time.Timer
}

func (l *loop) startPatience() *impatience {
	l.mu.Lock()
	patience := l.patience
	l.mu.Unlock()
	i := &impatience{}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timer = time.AfterFunc(patience, func() {
		l.abandonHolds(time.Now().Add(-patience))
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.timer != nil {
			i.timer.Reset(patience/4 + 1)
		}
	})
	return i
}

// Stop ends it.
func (i *impatience) Stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timer.Stop()
	i.timer = nil
}

// abandonHolds stops waiting for work that began before a moment.
func (l *loop) abandonHolds(before time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range l.holds {
		if h.since.Before(before) {
			delete(l.holds, h)
		}
	}
	l.changed.Broadcast()
}

// signal wakes those who wait for a condition, after each task and each end of
// outside work.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that is closed after the next task.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
