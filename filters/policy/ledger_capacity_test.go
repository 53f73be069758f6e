package policy_test

import (
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

const capacityID = "*payments/*sandbox/capacity/rate-second"

// capacityOf is a capacity of 100 requests a second, bursts of 100.
func capacityOf(t *testing.T) (policy.Ledger, policy.Bucket) {
	t.Helper()
	g := policy.Grant{ID: capacityID, Epoch: 1, Rate: policy.RatePerSecond.UnitsPerMillisecond(100), Burst: 100 * policy.RateUnit, Level: 100 * policy.RateUnit}
	return apply(t, nil, start, g), bucket(capacityID)
}

func TestCapacityIsSharedByWeightWhenItIsShort(t *testing.T) {
	l, b := capacityOf(t)
	partners := []struct {
		name    string
		weight  int64
		demand  int // requests a second
		atLeast int // of them admitted in each of the seconds 11 to 20
	}{{"flood", 1, 1000, 26}, {"modest", 1, 20, 20}, {"heavy", 2, 1000, 53}} // modest leaves 80, split 1 : 2
	admitted := make([]int, len(partners))
	for ms := range int64(20_000) {
		for i, p := range partners {
			due := (ms+1)*int64(p.demand)/1000 - ms*int64(p.demand)/1000
			for range due {
				var v policy.Verdict
				if l, v = l.TakeCapacity(&b, p.name, p.weight, start+ms); v.Code == policy.Admitted && ms >= 10_000 {
					admitted[i]++
				}
			}
		}
	}
	sum := 0
	for i, p := range partners {
		sum += admitted[i]
		if admitted[i] < 10*p.atLeast*97/100 {
			t.Errorf("%s: %d admitted in 10 s, want at least %d", p.name, admitted[i], 10*p.atLeast)
		}
	}
	if sum > 1000+1 || sum < 990 {
		t.Errorf("%d admitted in 10 s in all, want 1000", sum)
	}
}

func TestOnePartnerAloneGetsTheWholeCapacity(t *testing.T) {
	l, b := capacityOf(t)
	n := 0
	for ms := range int64(10_000) {
		for range 2 {
			var v policy.Verdict
			if l, v = l.TakeCapacity(&b, "acme", 1, start+ms); v.Code == policy.Admitted {
				n++
			}
		}
	}
	if n < 1095 || n > 1100 {
		t.Errorf("%d admitted in 10 s, want the burst of 100 and 1000", n)
	}
}

func TestWithoutALeaseOfTheCapacityNothingIsDecided(t *testing.T) {
	b := bucket(capacityID)
	if _, v := (policy.Ledger{}).TakeCapacity(&b, "acme", 1, start); v.Code != policy.Undecided {
		t.Errorf("got %+v", v)
	}
}

func TestSharesAreNotReported(t *testing.T) {
	l, b := capacityOf(t)
	l, _ = l.TakeCapacity(&b, "acme", 1, start)
	if reports, _ := l.Report(nil, start); len(reports) != 1 || reports[0].ID != capacityID || reports[0].Spent != 1 {
		t.Errorf("got %+v", reports)
	}
}

func TestCapacityOfADecision(t *testing.T) {
	src := estate()
	src.Products[0].Capacity = &policy.SourceLimit{Name: "capacity", Kind: policy.RatePerSecond, Requests: 100, Burst: 100}
	src.Plans[0].Weight = 3
	s := build(t, src)
	q := ask()
	d := s.Decide(&q)
	b, weight, ok := s.Capacity(&d, q.Now)
	id := string(policy.AppendCapacityID(nil, &d, &b.Limit))
	if !ok || weight != 3 || id != capacityID || b.Key != policy.BucketKey(id) {
		t.Errorf("got %q, weight %d, %v", id, weight, ok)
	}
	d.Product = "risk"
	if _, _, ok := s.Capacity(&d, q.Now); ok {
		t.Error("a product without a capacity has one")
	}
}
