package manager_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// Exactly the contract is admitted, however many ask for it at the same time:
// what one has left over is called back for the others.
func TestQuotaIsSpentExactly(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	var all sync.WaitGroup
	var mu sync.Mutex
	total := 0
	processes := make([]*process, 6)
	for i := range processes {
		processes[i] = newProcess(t, s, c, fmt.Sprint("p", i))
	}
	hoarder := newProcess(t, s, c, "hoarder") // holds tokens that it never spends
	hoarder.wants[daily] = 20
	hoarder.settle()
	stop := hoarder.attend()
	defer stop()
	for _, p := range processes {
		all.Go(func() {
			n := 0
			for last := policy.Undecided; last == policy.Undecided; {
				if last = p.take(daily); last == policy.Admitted {
					n++
					last = policy.Undecided
				} else if last == policy.Undecided {
					p.sync()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
	}
	all.Wait()
	if total != 100 {
		t.Errorf("%d requests were admitted, the contract is 100", total)
	}
}

// Proxies that come, take and share as fast as they can, while time passes:
// over every interval no more is admitted than the contract says.
func TestRateHoldsForManyProxies(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	const step, steps = 100 * time.Millisecond, 100
	var all sync.WaitGroup
	var mu sync.Mutex
	var admitted []admission
	over := make(chan struct{})
	for i := range 4 {
		p := newProcess(t, s, c, fmt.Sprint("p", i))
		stop := p.attend()
		all.Go(func() {
			defer stop()
			for {
				select {
				case <-over:
					return
				default:
				}
				p.mu.Lock()
				a := admission{from: c.Now()}
				a.n, _ = p.takeAll(throughput)
				a.to = c.Now()
				p.mu.Unlock()
				if a.n > 0 {
					mu.Lock()
					admitted = append(admitted, a)
					mu.Unlock()
				}
				p.sync()
			}
		})
	}
	observer := newProcess(t, s, c, "observer") // its round trips are the measure of time
	for range steps {
		observer.sync()
		c.advance(step)
	}
	close(over)
	all.Wait()
	total := 0
	for _, first := range admitted {
		total += first.n
		for _, last := range admitted {
			elapsed := max(last.to.Sub(first.from), 0)
			if n, most := between(admitted, first.from, last.to), 10+5*elapsed.Seconds(); float64(n) > most {
				t.Fatalf("%d requests in %v, at most %v are in the contract", n, elapsed, most)
			}
		}
	}
	if total <= 10 {
		t.Errorf("only %d requests were admitted in all", total)
	}
}

// admission is n requests that were admitted one after the other, between two moments.
type admission struct {
	from, to time.Time
	n        int
}

// between is how many requests were certainly admitted from one moment to another.
func between(all []admission, from, to time.Time) (n int) {
	for _, a := range all {
		if !a.from.Before(from) && !a.to.After(to) {
			n += a.n
		}
	}
	return n
}
