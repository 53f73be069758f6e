package manager_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// manyPartners has n partners, each with a subscription under the plan "two".
func manyPartners(b *testing.B, s *manager.Service, n int) {
	resources := append(estate(b), read(b, `
apiVersion: partnergate.dev/v1alpha1
kind: Plan
metadata: {name: two}
spec:
  limits:
    - {name: throughput, rate: {requests: 1000, per: second}}
    - {name: monthly, quota: {requests: 10000000, per: month}}
`)...)
	for i := range n {
		resources = append(resources, read(b, fmt.Sprintf(`
apiVersion: partnergate.dev/v1alpha1
kind: Partner
metadata: {name: p%d}
spec: {}
---
apiVersion: partnergate.dev/v1alpha1
kind: Subscription
metadata: {name: pay, partner: p%d}
spec: {product: pay, environment: sandbox, plan: two}
`, i, i))...)
	}
	apply(b, s, resources, manager.ApplyOptions{})
}

// BenchmarkSync is one batch of a busy proxy: 200 rows of usage, 100 logged
// requests, 20 buckets in use.
func BenchmarkSync(b *testing.B) {
	c := newClock()
	s := newService(b, c)
	manyPartners(b, s, 10)
	p := newProcess(b, s, c, "one")
	for b.Loop() {
		for i := range 10 {
			p.take(fmt.Sprintf("p%d/pay/throughput/rate-second", i))
			p.take(fmt.Sprintf("p%d/pay/monthly/quota-month", i))
		}
		for i := range 200 {
			u := wire.Usage{Minute: minutes(c), Partner: fmt.Sprintf("p%d", i%10), Application: "app", Product: "pay", Environment: "sandbox",
				Operation: fmt.Sprintf("operation-%d", i/10), Outcome: "admitted", Count: 3}
			p.usage = append(p.usage, u)
			if i%2 == 0 {
				p.requests = append(p.requests, wire.Request{Time: c.Now().UnixMilli(), RequestID: fmt.Sprintf("%08x-0000-4000-8000-%012x", p.sequence, i),
					Partner: u.Partner, Application: u.Application, Product: u.Product, Environment: u.Environment, Operation: u.Operation,
					Outcome: u.Outcome, Credential: "k2345abcdefg", Method: "GET", Path: "/pay/payments/4711", Status: 200, PolicyVersion: 2})
			}
		}
		p.sync()
		c.advance(time.Second)
	}
}

// BenchmarkReconnect is 200 proxies that all sync at once, each wanting the
// same ten rates, until each has a share.
const reconnecting = 200

func BenchmarkReconnect(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		c := newClock()
		s, err := manager.NewService(context.Background(), manager.Config{Store: openStore(b, filepath.Join(b.TempDir(), "policy.db")), Now: c.Now})
		if err != nil {
			b.Fatal(err)
		}
		manyPartners(b, s, 10)
		b.StartTimer()
		var all sync.WaitGroup
		stops := make([]func(), reconnecting)
		for i := range stops {
			p := newProcess(b, s, c, fmt.Sprint("proxy-", i))
			stops[i] = p.attend()
			all.Go(func() {
				for p.lacks(10) {
					p.sync()
				}
			})
		}
		all.Wait()
		b.StopTimer()
		for _, stop := range stops {
			stop()
		}
		s.Close()
		b.StartTimer()
	}
}

// lacks wants all rates that the process has no share of.
func (p *process) lacks(rates int) (lacks bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range rates {
		if id := fmt.Sprintf("p%d/pay/throughput/rate-second", i); p.take(id) == policy.Undecided {
			lacks = true
		}
	}
	return lacks
}
