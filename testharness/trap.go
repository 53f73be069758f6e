package testharness

import (
	"errors"
	"fmt"
)

// MainThread is the main thread's number where workers are counted from 0.
const MainThread = mainThread

// ErrTrapped is why a VM failed that Trap ended.
var ErrTrapped = errors.New("ended by Trap")

// Trap ends all VMs of a worker, or of the main thread, as a trap in the guest
// would: nothing more is called in them, and what happens to streams and new
// VMs is each filter's fail policy. The main thread's are never made anew, as
// in Envoy.
func (p *Proxy) Trap(thread int) error {
	t := p.main
	if thread != MainThread {
		if thread < 0 || thread >= len(p.workers) {
			return fmt.Errorf("there is no worker %d: the proxy has %d, counted from 0", thread, len(p.workers))
		}
		t = p.workers[thread]
	}
	t.loop.call(func() {
		for _, v := range t.vms {
			v.fail(ErrTrapped)
		}
	})
	return nil
}
