package manager_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// process is one proxy process as the manager sees it: real ledgers, real messages.
type process struct {
	mu       sync.Mutex // held by round trips, and by whoever uses the ledgers beside attend
	t        testing.TB
	s        *manager.Service
	c        *clock
	id       wire.ProxyID
	version  uint64
	sequence uint64
	ledgers  map[string]policy.Ledger
	touched  map[string]bool
	wants    map[string]uint64
	usage    []wire.Usage
	requests []wire.Request
}

func newProcess(t testing.TB, s *manager.Service, c *clock, name string) *process {
	p := &process{t: t, s: s, c: c, id: wire.ProxyID{Node: name}, ledgers: map[string]policy.Ledger{},
		touched: map[string]bool{}, wants: map[string]uint64{}}
	copy(p.id.Nonce[:], "nonce of "+name)
	return p
}

func (p *process) name() string { return fmt.Sprintf("%s.%x", p.id.Node, p.id.Nonce) }

// take takes one request from a bucket, or wants it.
func (p *process) take(id string) policy.Code {
	p.t.Helper()
	parsed, ok := policy.ParseBucketID(id)
	if !ok {
		p.t.Fatalf("%q is no bucket id", id)
	}
	bucket := policy.Bucket{Limit: policy.Limit{Name: parsed.Limit, Kind: parsed.Kind}, Key: policy.BucketKey(id)}
	ledger := policy.LedgerID(id)
	p.touched[ledger] = true
	v := p.ledgers[ledger].Take([]policy.Bucket{bucket}, p.c.Now().UnixMilli(), p.version)
	if v.Code == policy.Undecided {
		p.wants[id]++
	}
	return v.Code
}

// takeAll takes until the bucket gives no more, and returns how many it gave.
func (p *process) takeAll(id string) (n int, last policy.Code) {
	for {
		if last = p.take(id); last != policy.Admitted {
			return n, last
		}
		n++
	}
}

// release ends a request in flight.
func (p *process) release(id string) {
	p.ledgers[policy.LedgerID(id)].Release([]uint64{policy.BucketKey(id)}, 0)
	p.touched[policy.LedgerID(id)] = true
}

// compose makes the next batch.
func (p *process) compose() []byte {
	p.sequence++
	m := wire.Sync{Proxy: p.id, Sequence: p.sequence, PolicyVersion: p.version, Usage: p.usage, Requests: p.requests}
	for id := range p.touched {
		m.Reports, _ = p.ledgers[id].Report(m.Reports, p.c.Now().UnixMilli())
	}
	for i := range m.Reports {
		r := &m.Reports[i]
		r.Wanted, r.Demand = p.wants[r.ID] > 0, r.Demand+p.wants[r.ID]
		delete(p.wants, r.ID)
	}
	for id, demand := range p.wants {
		m.Reports = append(m.Reports, policy.Report{ID: id, Wanted: true, Demand: demand})
	}
	clear(p.wants)
	clear(p.touched)
	p.usage, p.requests = nil, nil
	return m.Append(nil)
}

// apply takes an answer in, and reports whether it had grants.
func (p *process) apply(reply []byte) (grants bool) {
	p.t.Helper()
	r, err := wire.ParseSyncReply(string(reply))
	if err != nil {
		p.t.Fatal(err)
	}
	if r.Sequence != p.sequence {
		p.t.Fatalf("the answer is to batch %d, not %d", r.Sequence, p.sequence)
	}
	for i := range r.Grants {
		id := policy.LedgerID(r.Grants[i].ID)
		p.ledgers[id], _ = p.ledgers[id].Apply(&r.Grants[i], p.c.Now().UnixMilli(), p.version)
		p.touched[id] = true
	}
	for _, id := range r.Forget {
		p.ledgers[policy.LedgerID(id)], _ = p.ledgers[policy.LedgerID(id)].Forget(id)
	}
	return len(r.Grants) > 0
}

// send hands a batch to the manager.
func (p *process) send(body []byte) []byte {
	p.t.Helper()
	reply, err := p.s.Sync(context.Background(), body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply
}

// sync is a whole round trip.
func (p *process) sync() (grants bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.apply(p.send(p.compose()))
}

// settle syncs until no grants come any more, and all are acknowledged.
func (p *process) settle() {
	p.t.Helper()
	for p.sync() {
	}
}

func (p *process) watch(ctx context.Context, held [32]byte) wire.WatchReply {
	p.t.Helper()
	r, err := watch(ctx, p.s, wire.Watch{Proxy: p.id, Schema: policy.SchemaVersion, Digest: held})
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func watch(ctx context.Context, s *manager.Service, m wire.Watch) (wire.WatchReply, error) {
	reply, err := s.Watch(ctx, m.Append(nil))
	if err != nil {
		return wire.WatchReply{}, err
	}
	return wire.ParseWatchReply(string(reply))
}

// current is the digest of the manifest that is published.
func current(s *manager.Service) [32]byte { return s.Published().Digest }

// attend answers nudges as a leader does, until stop is called.
func (p *process) attend() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if r, err := watch(ctx, p.s, wire.Watch{Proxy: p.id, Schema: policy.SchemaVersion, Digest: current(p.s)}); err == nil && r.SyncNow {
				p.sync()
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func wantCode(t testing.TB, err error, code manager.ErrorCode, reason string) {
	t.Helper()
	var e *manager.Error
	if !errors.As(err, &e) || e.Code != code || e.Reason != reason {
		t.Fatalf("error %v, want %s %s", err, code, reason)
	}
}

// leased is an estate with a limit of each kind and scope.
func leased(t testing.TB, s *manager.Service) {
	t.Helper()
	apply(t, s, append(estate(t), read(t, `
apiVersion: partnergate.dev/v1alpha1
kind: Plan
metadata: {name: all}
spec:
  limits:
    - {name: throughput, rate: {requests: 5, per: second, burst: 10}}
    - {name: daily, quota: {requests: 100, per: day}}
    - {name: few, quota: {requests: 3, per: month}}
    - {name: in-flight, concurrency: {requests: 4}}
    - {name: each, scope: application, quota: {requests: 50, per: day}}
    - {name: whole, scope: partner, quota: {requests: 70, per: day}}
---
apiVersion: partnergate.dev/v1alpha1
kind: Subscription
metadata: {name: all, partner: globex}
spec: {product: pay, environment: sandbox, plan: all}
`)...), manager.ApplyOptions{})
}

const (
	throughput = "globex/all/throughput/rate-second"
	daily      = "globex/all/daily/quota-day"
	few        = "globex/all/few/quota-month"
	inFlight   = "globex/all/in-flight/concurrency"
)

func minutes(c *clock) int64 { return c.Now().Unix() / 60 }
