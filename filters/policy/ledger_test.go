package policy_test

import (
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

const (
	rateID  = "acme/payments-sandbox/throughput/rate-second"
	quotaID = "acme/payments-sandbox/monthly/quota-month"
	slotsID = "acme/payments-sandbox/in-flight/concurrency"
)

func bucket(id string) policy.Bucket {
	b, ok := policy.ParseBucketID(id)
	if !ok {
		panic(id)
	}
	return policy.Bucket{Limit: policy.Limit{Name: b.Limit, Kind: b.Kind}, Key: policy.BucketKey(id)}
}

func apply(t *testing.T, l policy.Ledger, now int64, grants ...policy.Grant) policy.Ledger {
	t.Helper()
	for i := range grants {
		var applied bool
		if l, applied = l.Apply(&grants[i], now, 7); !applied {
			t.Fatalf("not applied: %+v", grants[i])
		}
	}
	return l
}

// rateOf is the whole of a contract of 5 requests a second, bursts of 10.
func rateOf(epoch uint64) policy.Grant {
	return policy.Grant{ID: rateID, Epoch: epoch, Rate: policy.RatePerSecond.UnitsPerMillisecond(5), Burst: 10 * policy.RateUnit, Level: 10 * policy.RateUnit}
}

func TestRateAdmitsBurstAndThenTheRate(t *testing.T) {
	l := apply(t, nil, start, rateOf(1))
	buckets := []policy.Bucket{bucket(rateID)}
	admitted := func(now int64) (n int) {
		for l.Take(buckets, now, 7).Code == policy.Admitted {
			n++
		}
		return n
	}
	for _, step := range []struct {
		after int64
		want  int
	}{{0, 10}, {199, 0}, {200, 1}, {1200, 5}, {1300, 0}, {1400, 1}, {1400 + hour, 10}, {0, 0}} {
		if got := admitted(start + step.after); got != step.want {
			t.Errorf("after %d ms: %d admitted, want %d", step.after, got, step.want)
		}
	}
	v := l.Take(buckets, start+1400+hour+50, 7)
	if v.Code != policy.LimitExceeded || v.RetryAfter != 150 {
		t.Errorf("got %+v", v)
	}
}

func TestTakeIsAllOrNothing(t *testing.T) {
	l := apply(t, nil, start, rateOf(1),
		policy.Grant{ID: quotaID, Epoch: 1, Tokens: 1, WindowEnd: start + hour, Left: 0},
		policy.Grant{ID: slotsID, Epoch: 1, Slots: 5})
	buckets := []policy.Bucket{bucket(rateID), bucket(quotaID), bucket(slotsID)}
	if v := l.Take(buckets, start, 7); v.Code != policy.Admitted {
		t.Fatal(v)
	}
	for range 3 {
		if v := l.Take(buckets, start, 7); v.Code != policy.Undecided || v.Bucket != 1 {
			t.Fatalf("without tokens: %+v", v)
		}
	}
	if n, _ := l.Remaining(&buckets[0], start); n != 9 {
		t.Errorf("rate: %d left, want 9", n)
	}
	if n, _ := l.Remaining(&buckets[2], start); n != 4 {
		t.Errorf("slots: %d left, want 4", n)
	}
	l.GiveBack(buckets, 0)
	for i, want := range []int64{10, 1, 5} {
		if n, _ := l.Remaining(&buckets[i], start); n != want {
			t.Errorf("bucket %d: %d left after giving back, want %d", i, n, want)
		}
	}
}

func TestSpentQuotaRefusesUntilTheWindowEndsOrThePolicyChanges(t *testing.T) {
	l := apply(t, nil, start, policy.Grant{ID: quotaID, Epoch: 1, WindowEnd: start + hour, Spent: true})
	buckets := []policy.Bucket{bucket(quotaID)}
	if v := l.Take(buckets, start, 7); v.Code != policy.LimitExceeded || v.RetryAfter != hour {
		t.Errorf("spent: %+v", v)
	}
	if v := l.Take(buckets, start, 8); v.Code != policy.Undecided {
		t.Errorf("after a change of policy: %+v", v)
	}
	if v := l.Take(buckets, start+hour, 7); v.Code != policy.Undecided {
		t.Errorf("in the next window: %+v", v)
	}
}

func TestGrantIsTakenInOnce(t *testing.T) {
	g := policy.Grant{ID: quotaID, Epoch: 3, Tokens: 5, WindowEnd: start + hour}
	l := apply(t, nil, start, g)
	l, applied := l.Apply(&g, start, 7)
	if n, _ := l.Remaining(&policy.Bucket{Limit: policy.Limit{Kind: policy.QuotaPerMonth}, Key: policy.BucketKey(quotaID)}, start); applied || n != 5 {
		t.Errorf("twice: %v, %d tokens", applied, n)
	}
}

func TestShrinkingAShareGivesBackItsPart(t *testing.T) {
	l := apply(t, nil, start, rateOf(1))
	half := rateOf(2)
	half.Rate, half.Burst, half.Level = half.Rate/2, half.Burst/2, 0
	l = apply(t, l, start, half)
	reports, _ := l.Report(nil, start)
	if len(reports) != 1 || reports[0].Epoch != 2 || reports[0].Given != 5*policy.RateUnit {
		t.Errorf("got %+v", reports)
	}
}

func TestReportTellsWhatWasSpentOnce(t *testing.T) {
	l := apply(t, nil, start, rateOf(1), policy.Grant{ID: quotaID, Epoch: 1, Tokens: 3, WindowEnd: start + hour})
	buckets := []policy.Bucket{bucket(rateID), bucket(quotaID)}
	l.Take(buckets, start, 7)
	l.Take(buckets, start, 7)
	reports, changed := l.Report(nil, start)
	if !changed || len(reports) != 2 || reports[1].ID != quotaID || reports[1].Spent != 2 || reports[1].Tokens != 1 {
		t.Errorf("first: %+v", reports)
	}
	if again, changed := l.Report(nil, start); changed || again[1].Spent != 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestForget(t *testing.T) {
	l := apply(t, nil, start, rateOf(1), policy.Grant{ID: quotaID, Epoch: 1, Tokens: 3, WindowEnd: start + hour})
	l, changed := l.Forget(rateID)
	if n, _ := l.Remaining(&policy.Bucket{Limit: policy.Limit{Kind: policy.QuotaPerMonth}, Key: policy.BucketKey(quotaID)}, start); !changed || n != 3 {
		t.Errorf("the other bucket has %d", n)
	}
	if v := l.Take([]policy.Bucket{bucket(rateID)}, start, 7); v.Code != policy.Undecided {
		t.Errorf("forgotten: %+v", v)
	}
}

func TestLedgerID(t *testing.T) {
	for id, want := range map[string]string{
		rateID: "acme/payments-sandbox", "acme/payments-sandbox@checkout/own/concurrency": "acme/payments-sandbox", "acme/*sandbox/all/quota-day": "acme/*sandbox",
	} {
		if got := policy.LedgerID(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestTakingAllocatesNothing(t *testing.T) {
	l := apply(t, nil, start, rateOf(1), policy.Grant{ID: slotsID, Epoch: 1, Slots: 5})
	buckets := []policy.Bucket{bucket(rateID), bucket(slotsID)}
	keys := []uint64{buckets[1].Key}
	now := start
	if n := testing.AllocsPerRun(1000, func() {
		now += 1000
		if v := l.Take(buckets, now, 7); v.Code != policy.Admitted {
			t.Fatal(v)
		}
		l.Release(keys, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Shared data may hold anything: no bytes make a ledger panic or admit without a lease.
func FuzzLedger(f *testing.F) {
	l := policy.Ledger{}
	for _, g := range []policy.Grant{rateOf(1), {ID: quotaID, Epoch: 1, Tokens: 3, WindowEnd: start + hour}, {ID: slotsID, Epoch: 1, Slots: 5}} {
		l, _ = l.Apply(&g, start, 7)
	}
	f.Add([]byte(l), start)
	f.Fuzz(func(t *testing.T, raw []byte, now int64) {
		l := policy.Ledger(raw)
		buckets := []policy.Bucket{bucket(rateID), bucket(quotaID), bucket(slotsID)}
		l.Take(buckets, now, 7)
		l.Release([]uint64{buckets[2].Key}, 0)
		l.Remaining(&buckets[0], now)
		l.GiveBack(buckets, 0)
		l.Report(nil, now)
		g := rateOf(9)
		l, _ = l.Apply(&g, now, 7)
		l.Forget(quotaID)
	})
}
