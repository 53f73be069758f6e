//go:build !wasip1

package edge_test

import (
	"encoding/binary"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/testharness"
)

// nonceOf is by what the manager tells the proxy from others.
func nonceOf(t *testing.T, p *testharness.Proxy) (nonce [16]byte) {
	t.Helper()
	copy(nonce[:], sharedValue(t, p, "/proxy"))
	return nonce
}

// sequenceOf is the number of the proxy's last batch.
func sequenceOf(t *testing.T, p *testharness.Proxy) uint64 {
	t.Helper()
	return binary.LittleEndian.Uint64(sharedValue(t, p, "/batch"))
}

// sharedValue is what stands under the key with that ending.
func sharedValue(t *testing.T, p *testharness.Proxy, ending string) []byte {
	t.Helper()
	for _, key := range p.SharedDataKeys("partnergate") {
		if strings.HasSuffix(key, ending) {
			value, _ := p.SharedData("partnergate", key)
			return value
		}
	}
	t.Fatal("nothing stands under " + ending)
	return nil
}

// TestAnotherProcessHasItsNonce has the manager store a batch in the name of a
// proxy that this one did not send, as a clone of it would: the proxy takes
// another name, and nothing counts twice or exceeds the contract.
func TestAnotherProcessHasItsNonce(t *testing.T) {
	const contract = 40
	for name, with := range map[string]struct{ answerLost, sameNumber bool }{
		"a later number": {}, "a later number, after an answer was lost": {answerLost: true}, "the same number": {sameNumber: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, "[{name: daily, quota: {requests: 40, per: day}}]")
			var lose atomic.Bool
			between := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if lose.Load() && r.URL.Path == wire.SyncPath {
					m.ServeHTTP(discarded{}, r)
					panic(http.ErrAbortHandler)
				}
				m.ServeHTTP(w, r)
			})
			p := start(t, proxyWith(2, between, combined(configuration)...).WithClock(m.clock).WithNodeID("one"))
			ready(t, p, uint64(m.PolicyVersion()))
			if got := m.tally(t, "acme", 7, 2, p); got["admitted"] != 7 {
				t.Fatal(got)
			}
			takes(p, time.Minute, func() bool { return m.counted(t) == 7 })
			before := nonceOf(t, p)
			lose.Store(with.answerLost)
			served := m.tally(t, "acme", 5, 2, p)["admitted"]
			p.Advance(3 * time.Second)
			clone := wire.Sync{Proxy: wire.ProxyID{Node: "one", Nonce: before}, Sequence: 1000}
			if with.sameNumber {
				clone.Sequence = sequenceOf(t, p) + 1
			}
			if _, err := m.Sync(t.Context(), clone.Append(nil)); err != nil {
				t.Fatal(err)
			}
			lose.Store(false)
			if !with.answerLost {
				served += m.tally(t, "acme", 3, 2, p)["admitted"]
			}
			if _, ok := takes(p, time.Minute, func() bool { return metric(p, "partnergate_identity_changes") > 0 }); !ok {
				t.Fatal("the proxy goes on under the same name")
			}
			if nonceOf(t, p) == before {
				t.Error("the next leader would go on under the old name")
			}
			for i := 0; i < 40 && served < contract; i++ {
				served += m.tally(t, "acme", 2, 2, p)["admitted"]
				p.Advance(time.Second)
			}
			p.Advance(10 * time.Second)
			if n := m.counted(t); n != int64(7+served) || 7+served > contract {
				t.Errorf("%d requests were admitted and %d counted, of a contract of %d", 7+served, n, contract)
			}
			if n := metric(p, "partnergate_identity_changes"); n != 1 {
				t.Errorf("%d changes of identity", n)
			}
			if lost := metric(p, "partnergate_batches_dropped"); (lost == 1) != with.answerLost {
				t.Errorf("%d batches were dropped", lost)
			}
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a process with the same memory runs elsewhere",
		Done:     "the manager stores a batch under the proxy's nonce that it did not send, with a later number or the one that the proxy uses next, and refuses the proxy's own as stale; once more with an answer lost before",
		Promised: "the proxy is another one to the manager from then on: `partnergate_identity_changes`; what was never stored is sent again, what may have been is dropped: `partnergate_batches_dropped`; nothing counts twice, no contract is exceeded",
		Seen:     "as promised; all admitted requests counted once",
	})
}

// discarded is an answer that is lost on its way.
type discarded struct{}

func (discarded) Header() http.Header         { return http.Header{} }
func (discarded) WriteHeader(int)             {}
func (discarded) Write(b []byte) (int, error) { return len(b), nil }

// TestNumbersAreNotUsedAgain has the manager refuse a batch for good: the next
// one has another number, for the first may have been stored.
func TestNumbersAreNotUsedAgain(t *testing.T) {
	stub := newStub(estate(1))
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 1)
	stub.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == wire.SyncPath {
			stub.sync(stub.body(r)) // it is stored all the same
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		return r.URL.Path == wire.SyncPath
	})
	checkOn(t, p, 0, good(), servedVerdict)
	takes(p, time.Minute, func() bool { return stub.usage()["acme admitted"] == 1 })
	stub.intercept(nil)
	checkOn(t, p, 0, good(), servedVerdict)
	wantUsage(t, p, stub, map[string]uint64{"acme admitted": 2})
	if n := metric(p, "partnergate_usage_lost"); n != 1 {
		t.Errorf("partnergate_usage_lost is %d, want the 1 of the batch that was refused", n)
	}
}
