package testharness

import "time"

// tickTimer is the timer of one root context (Wasm::setTimerPeriod,
// Wasm::tickHandler in wasm.cc).
type tickTimer struct {
	vm     *vm
	rootID uint32
	period time.Duration
	serial int // tells timers that were set anew from old ones
	stop   func()
}

// setTick sets the period of a root context's tick; 0 ends it.
func (v *vm) setTick(rootID uint32, period time.Duration) {
	t := v.timers[rootID]
	if t == nil {
		t = &tickTimer{vm: v, rootID: rootID}
		v.timers[rootID] = t
	}
	t.set(period)
}

func (t *tickTimer) set(period time.Duration) {
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
	t.serial++
	t.period = period
	if period > 0 && !t.vm.killed {
		t.arm()
	}
}

// arm starts the timer; the next period begins after the callback returned.
func (t *tickTimer) arm() {
	serial, thread := t.serial, t.vm.thread
	t.stop = thread.proxy.clock.afterFunc(t.period, func() {
		thread.loop.post(func() { t.fire(serial) })
	})
}

func (t *tickTimer) fire(serial int) {
	v := t.vm
	if serial != t.serial || v.killed || v.exports["proxy_on_tick"] == nil {
		return
	}
	if c := v.contexts[t.rootID]; c != nil {
		c.onTick()
	}
	if serial == t.serial && t.period > 0 && !v.killed && !v.failed {
		t.arm()
	}
}
