package lease

import (
	"bytes"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"pgregory.net/rapid"
)

func FuzzDecode(f *testing.F) {
	for _, kind := range kinds {
		x := newTable(&testing.T{}, kind, Contract{Requests: 10, Burst: 10})
		x.wants("a")
		x.wants("b")
		f.Add(byte(kind), x.b.Append(nil))
	}
	f.Fuzz(func(t *testing.T, kind byte, state []byte) {
		b, err := Decode(policy.LimitKind(kind), state)
		if err != nil {
			return
		}
		again, err := Decode(policy.LimitKind(kind), b.Append(nil))
		if err != nil || !bytes.Equal(again.Append(nil), b.Append(nil)) {
			t.Fatalf("%x decodes as %+v, which does not: %v", state, b, err)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	x := newTable(t, policy.InFlight, Contract{Requests: 10})
	x.wants("a")
	x.wants("b")
	state := x.b.Append(nil)
	for n := range state {
		if _, err := Decode(policy.InFlight, state[:n]); err == nil {
			t.Errorf("the first %d bytes decode", n)
		}
	}
	if _, err := Decode(policy.QuotaPerDay, state); err == nil {
		t.Error("it decodes as another kind")
	}
	if _, err := Decode(policy.InFlight, append(state, 0)); err == nil {
		t.Error("it decodes with a byte too many")
	}
}

func TestLargestContract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, policy.RatePerSecond, Contract{Requests: policy.MaxRate, Burst: policy.MaxRate})
		w.add()
		w.add()
		for range 60 {
			w.happen()
		}
		w.sync(w.some()) // decodes what is stored
	})
}
