package manager_test

import (
	"fmt"
	"slices"
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
	var admitted []time.Time
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
				at := c.Now()
				n, _ := p.takeAll(throughput)
				p.mu.Unlock()
				mu.Lock()
				for range n {
					admitted = append(admitted, at)
				}
				mu.Unlock()
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
	slices.SortFunc(admitted, time.Time.Compare)
	for i := range admitted {
		for j := i; j < len(admitted); j++ {
			// A request may be admitted a step after its time was read.
			elapsed := admitted[j].Sub(admitted[i]) + step
			if most := 10 + 5*elapsed.Seconds(); float64(j-i+1) > most {
				t.Fatalf("%d requests in %v, at most %v are in the contract", j-i+1, elapsed, most)
			}
		}
	}
	if len(admitted) <= 10 {
		t.Errorf("only %d requests were admitted in all", len(admitted))
	}
}
