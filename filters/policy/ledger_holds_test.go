package policy_test

import (
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// TestHoldsAreFreed has two VMs hold requests in flight: what the one that ended
// held is free again, once, and what the other holds is not.
func TestHoldsAreFreed(t *testing.T) {
	const ended, lives = 7, 8
	slots := []policy.Bucket{bucket(slotsID)}
	keys := []uint64{slots[0].Key}
	l := apply(t, nil, start, policy.Grant{ID: slotsID, Epoch: 1, Slots: 10})
	take := func(holder uint64, want policy.Code) {
		t.Helper()
		if v := l.Take(slots, start, 7); v.Code != want {
			t.Fatalf("%v, want %v", v.Code, want)
		}
		if want == policy.Admitted {
			var ok bool
			if l, ok = l.Hold(slots, holder); !ok {
				t.Fatal("no room")
			}
		}
	}
	inFlight := func(want int64) {
		t.Helper()
		reports, _ := l.Report(nil, start)
		if len(reports) != 1 || reports[0].InFlight != want {
			t.Fatalf("%+v, want one report with %d in flight", reports, want)
		}
	}
	for range 6 {
		take(ended, policy.Admitted)
	}
	for range 4 {
		take(lives, policy.Admitted)
	}
	take(lives, policy.LimitExceeded)
	if n := l.Free(ended); n != 6 {
		t.Errorf("%d were freed, want 6", n)
	}
	inFlight(4)
	if n := l.Free(ended); n != 0 || l.Release(keys, ended) {
		t.Error("what was freed was freed again")
	}
	inFlight(4)
	for range 4 {
		if !l.Release(keys, lives) {
			t.Error("a request in flight was not ended")
		}
	}
	if l.Release(keys, lives) {
		t.Error("a request ended twice")
	}
	inFlight(0)
}

// TestHoldersTakeEachOthersPlace keeps a ledger from growing with every VM that ever was.
func TestHoldersTakeEachOthersPlace(t *testing.T) {
	slots := []policy.Bucket{bucket(slotsID)}
	l := apply(t, nil, start, policy.Grant{ID: slotsID, Epoch: 1, Slots: 10})
	size := 0
	for holder := range uint64(1000) {
		l.Take(slots, start, 7)
		l, _ = l.Hold(slots, holder+1)
		l.GiveBack(slots, holder+1)
		if holder == 0 {
			size = len(l)
		}
	}
	if len(l) != size {
		t.Errorf("the ledger grew from %d to %d bytes", size, len(l))
	}
}

// TestForgottenBucketCountsWhatIsInFlight has the manager forget a bucket while
// requests of it are in flight: they still count when it is leased again.
func TestForgottenBucketCountsWhatIsInFlight(t *testing.T) {
	slots := []policy.Bucket{bucket(slotsID)}
	l := apply(t, nil, start, policy.Grant{ID: slotsID, Epoch: 5, Slots: 2})
	l.Take(slots, start, 7)
	l, _ = l.Hold(slots, 9)
	l, _ = l.Forget(slotsID)
	l = apply(t, l, start, policy.Grant{ID: slotsID, Epoch: 1, Slots: 2})
	if n, _ := l.Remaining(&slots[0], start); n != 1 {
		t.Errorf("%d slots are left, want 1", n)
	}
	if !l.Release([]uint64{slots[0].Key}, 9) {
		t.Error("the request did not end")
	}
	if n, _ := l.Remaining(&slots[0], start); n != 2 {
		t.Errorf("%d slots are left, want 2", n)
	}
}

// TestClockSetBack has a clock go forward and back: what it gives is what the rate gives from there on.
func TestClockSetBack(t *testing.T) {
	l := apply(t, nil, start, rateOf(1))
	rate := []policy.Bucket{bucket(rateID)}
	admitted := func(now int64) (n int) {
		for l.Take(rate, now, 7).Code == policy.Admitted {
			n++
		}
		return n
	}
	last := int64(0)
	for _, step := range []struct {
		at   int64
		want int
	}{{0, 10}, {24 * hour, 10}, {0, 0}, {1000, 5}, {1000 - hour, 0}, {1200 - hour, 1}, {1199 - hour, 0}, {1400 - hour, 1}} {
		if changed := l.SetBack(start + step.at); changed != (step.at < last) {
			t.Errorf("at %d ms: set back: %v", step.at, changed)
		}
		last = step.at
		if got := admitted(start + step.at); got != step.want {
			t.Errorf("at %d ms: %d admitted, want %d", step.at, got, step.want)
		}
	}
}
