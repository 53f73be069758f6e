package envoyexamples

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tally counts answers by partner and outcome: what usage must say.
type tally struct {
	lock   sync.Mutex
	counts map[counted]int64
}

type counted struct{ partner, outcome string }

func (c *tally) add(partner, outcome string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.counts == nil {
		c.counts = map[counted]int64{}
	}
	c.counts[counted{partner, outcome}]++
}

func (c *tally) all() map[counted]int64 {
	c.lock.Lock()
	defer c.lock.Unlock()
	return maps.Clone(c.counts)
}

func (c *tally) of(partner, outcome string) int64 { return c.all()[counted{partner, outcome}] }

// usage is what the manager has counted.
func (b *backend) usage(t testing.TB) map[counted]int64 {
	t.Helper()
	answer, err := b.Usage(t.Context(), url.Values{"group_by": {"partner,outcome"}})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[counted]int64{}
	for _, row := range answer.Rows {
		counts[counted{fmt.Sprint(row["partner"]), fmt.Sprint(row["outcome"])}] += int64(row["requests"].(float64))
	}
	return counts
}

// awaitUsage returns when usage says what the clients have counted, no request more or less. Where partners are named, only theirs count.
func (b *backend) awaitUsage(t testing.TB, c *tally, partners ...string) {
	t.Helper()
	of := func(all map[counted]int64) map[counted]int64 {
		maps.DeleteFunc(all, func(at counted, _ int64) bool { return len(partners) > 0 && !slices.Contains(partners, at.partner) })
		return all
	}
	want := of(c.all())
	var got map[counted]int64
	defer func() {
		if !maps.Equal(got, want) {
			t.Logf("usage:\n got %v\nwant %v", got, want)
		}
	}()
	pollEvery(t, 50*time.Millisecond, "usage differs from what was answered", func() bool {
		got = of(b.usage(t))
		return maps.Equal(got, want)
	})
}

// lane is one client that makes the same call again and again, and always expects the same.
type lane struct {
	name, partner string
	request       request
	want          string // outcome
	answered      atomic.Int64
}

// traffic is lanes that run in the background.
type traffic struct {
	lanes []*lane
	tally *tally
	ended chan struct{}
	done  sync.WaitGroup
	fails chan error
}

// pause between two calls of a lane.
const pause = 20 * time.Millisecond

func startTraffic(address string, c *tally, lanes ...*lane) *traffic {
	run := &traffic{lanes: lanes, tally: c, ended: make(chan struct{}), fails: make(chan error, len(lanes))}
	for _, l := range lanes {
		run.done.Go(func() {
			if err := run.drive(address, l); err != nil {
				run.fails <- fmt.Errorf("%s, after %d answers: %w", l.name, l.answered.Load(), err)
			}
		})
	}
	return run
}

// drive ends when traffic is stopped, or at the first answer that is another than expected.
func (r *traffic) drive(address string, l *lane) error {
	connection, err := dialWire(address)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-r.ended:
			return nil
		case <-ticker.C:
		}
		a, err := connection.ask(l.request)
		if err != nil {
			return err
		}
		r.tally.add(l.partner, a.outcome())
		if a.outcome() != l.want {
			return fmt.Errorf("%d %s, want %s", a.status, a.body, l.want)
		}
		l.answered.Add(1)
	}
}

// more returns when every lane has n more answers.
func (r *traffic) more(t testing.TB, n int64) {
	t.Helper()
	from := make([]int64, len(r.lanes))
	for i, l := range r.lanes {
		from[i] = l.answered.Load()
	}
	for i, l := range r.lanes {
		poll(t, l.name+" gets no answers", func() bool {
			select {
			case err := <-r.fails:
				t.Fatal(err)
			default:
			}
			return l.answered.Load() >= from[i]+n
		})
	}
}

// stop ends the traffic; every answer was the one expected.
func (r *traffic) stop(t testing.TB) {
	t.Helper()
	close(r.ended)
	r.done.Wait()
	select {
	case err := <-r.fails:
		t.Error(err)
	default:
	}
}

// move counts an answer for another partner than it was counted for.
func (c *tally) move(from, to, outcome string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.counts[counted{from, outcome}]--; c.counts[counted{from, outcome}] == 0 {
		delete(c.counts, counted{from, outcome})
	}
	c.counts[counted{to, outcome}]++
}
