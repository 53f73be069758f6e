//go:build !wasip1

package edge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// clockRun is a VM on a host whose clock the test sets.
type clockRun struct {
	*nativeHost
	call     proxywasm.Callbacks
	stub     *managerStub
	answered int
	id       uint32
	before   int // replies
}

// live lets time pass as the host's clock does.
func (c *clockRun) live(d time.Duration) {
	for range d / (100 * time.Millisecond) {
		c.now += 100
		c.watched = -1 << 30 // the manager answers each watch at once
		c.call.OnTick(1)
		c.answered = c.answerCalls(c.call, c.stub, c.answered)
		for queue := range c.items {
			c.call.OnQueueReady(1, queue)
		}
	}
}

func (c *clockRun) admitted() bool {
	c.id++
	c.before = c.replies
	c.stream(c.call, c.id)
	return c.replies == c.before
}

// TestClockJumps sets the proxy's clock forward and back by an hour and a day:
// nothing panics, no more is admitted than the quota, a rate admits at most one
// more burst for each jump, and seconds later all is as before.
func TestClockJumps(t *testing.T) {
	const burst, quota = 10, 1000
	for name, jump := range map[string]time.Duration{"an hour on": time.Hour, "a day on": 24 * time.Hour, "an hour back": -time.Hour, "a day back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			source := estate(1)
			source.Plans[0].Limits = []policy.SourceLimit{
				{Name: "throughput", Kind: policy.RatePerSecond, Requests: 5, Burst: burst}, {Name: "daily", Kind: policy.QuotaPerDay, Requests: quota},
			}
			stub := newStub(source)
			granted := false
			stub.grants = func(m *wire.Sync) []wire.Grant {
				grants := plenty(m)
				for i := range grants {
					if g := &grants[i]; g.Tokens > 0 {
						if g.Tokens = 0; !granted {
							g.Tokens, granted = quota, true
						}
					} else if g.Rate > 0 {
						g.Rate, g.Burst, g.Level = policy.RatePerSecond.UnitsPerMillisecond(5), burst*policy.RateUnit, burst*policy.RateUnit
					}
				}
				return grants
			}
			h, call := nativeVM(t, "partnergate", stub)
			h.request = [][2]string{{":authority", sandboxHost}, {":path", "/v1/pay"}, {":method", "GET"}, {":scheme", "http"}, {"x-api-key", acmeKey}}
			c := &clockRun{nativeHost: h, call: call, stub: stub, id: 1}
			c.admitted() // it asks for the leases
			c.live(3 * time.Second)
			drain := func() (n int) {
				for c.admitted() {
					n++
				}
				return n
			}
			total := drain()
			if total != burst {
				t.Fatalf("%d admitted before the jump, want %d", total, burst)
			}
			c.now = uint64(int64(c.now) + jump.Milliseconds())
			c.live(100 * time.Millisecond)
			if n := drain(); n > burst {
				t.Errorf("%d admitted at the jump", n)
			}
			c.live(2 * time.Second)
			if n := drain(); n != 10 {
				t.Errorf("%d admitted in the two seconds after, want 10", n)
			}
			syncs, watches := stub.called(wire.SyncPath), stub.called(wire.WatchPath)
			c.live(10 * time.Second)
			if stub.called(wire.SyncPath) == syncs || stub.called(wire.WatchPath) == watches {
				t.Errorf("in 10 s after the jump %d batches and %d watches", stub.called(wire.SyncPath)-syncs, stub.called(wire.WatchPath)-watches)
			}
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a proxy's clock jumps",
		Done:     "an hour and a day, on and back, with a rate of 5/s (burst 10) used up and a quota leased",
		Promised: "no panic; at most one more burst at the jump, then the rate; the quota is not exceeded; the manager is spoken to at once",
		Seen:     "10 admitted in the 2 s after each jump; batches and watches go on within 10 s",
	})
}

// TestStandstillLosesNoVM lets the whole process stand still for an hour, with
// another VM in the register: that one has not been silent, for nobody could
// speak. Only when the leader hears nothing of it while it lives itself it is lost.
func TestStandstillLosesNoVM(t *testing.T) {
	stub := newStub(estate(1))
	h, call := nativeVM(t, "partnergate", stub)
	c := &clockRun{nativeHost: h, call: call, stub: stub, id: 1}
	c.live(3 * time.Second)
	var register *nativeValue
	for key, value := range h.shared {
		if strings.HasSuffix(key, "/holders") {
			register = value
		}
	}
	const row = 25
	if register == nil || len(register.value) != row {
		t.Fatalf("the register is %v", register)
	}
	register.value = append(register.value, make([]byte, row)...)
	register.value[row], register.value[row+16] = 7, 9 // another's nonce and holder
	for _, stands := range []time.Duration{time.Hour, 24 * time.Hour, -time.Hour} {
		c.now = uint64(int64(c.now) + stands.Milliseconds())
		c.live(time.Second)
		if len(register.value) != 2*row {
			t.Fatalf("after a standstill of %v a VM was lost", stands)
		}
	}
	c.live(20 * time.Second)
	if len(register.value) != row {
		t.Error("a VM that is silent was not lost")
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a proxy's process stands still",
		Done:     "for an hour and for a day, then its clock set back an hour, with another VM in the register",
		Promised: "nobody counts as lost by that, so no slot is freed; a VM that says nothing while the leader lives is lost after 15 s",
		Seen:     "as promised",
	})
}
