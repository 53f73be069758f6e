//go:build !wasip1

package edge

import (
	"fmt"
	"slices"
	"testing"

	"github.com/partnergate/partnergate/docs/reliability"
)

// TestRetriesSpread has 200 proxies lose their manager at one moment, and try
// again until it is back: no tenth of a second sees many of them.
func TestRetriesSpread(t *testing.T) {
	const proxies, tick = 200, calmTick
	calls := make([]call, proxies)
	for i := range calls {
		calls[i].failed(0)
	}
	worst := 0
	for _, back := range []int64{0, 1000, 10_000} { // the first tries, those a second later, and those after long
		arrivals := map[int64]int{}
		last := int64(0)
		for i := range calls {
			for calls[i].next < back {
				calls[i].failed(calls[i].next)
			}
			at := (calls[i].next + tick - 1) / tick // on the tick
			arrivals[at]++
			last = max(last, calls[i].next-back)
		}
		counts := make([]int, 0, len(arrivals))
		for _, n := range arrivals {
			counts = append(counts, n)
		}
		worst = max(worst, slices.Max(counts))
		if last > retryMost {
			t.Errorf("%d ms after the manager is back a proxy has not tried", last)
		}
	}
	if worst > 70 {
		t.Errorf("%d of %d proxies come in one tick", worst, proxies)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "200 proxies lose their manager at one moment",
		Done:     "the times of 200 proxies' tries, at once, after 1 s and after 10 s without a manager",
		Promised: "all try again within 2 s of its return, and at most 70 of them in one tenth of a second",
		Seen:     fmt.Sprintf("at most %d in one tenth of a second", worst),
	})
}
