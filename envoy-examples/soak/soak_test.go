package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
)

// whole tells a soak from its short form, which is a test of the code and of the same promises.
func whole() bool { return *length >= 5*time.Minute }

// world is all that runs.
type world struct {
	url      string // of the store
	set      *mongod.Set
	nodes    []*node
	slots    []*slot
	upstream *upstream
	operator *operator
	breaker  *breaker
	traffic  *traffic
	samples  []sample
	began    time.Time // of traffic
	ended    time.Time
	early    []collection
}

const database = "soak"

// TestSoak runs mixed traffic through two Envoys and two managers on MongoDB, changes policy, kills all of them at random, and then
// holds every answer, every contract, usage and sizes against what is promised.
func TestSoak(t *testing.T) {
	w := &world{}
	defer func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.run(t.Context()); err != nil {
		t.Error(err) // what happened until then is judged all the same
	}
	w.judge(t)
	reliability.Record(t, reliability.Row{
		Fault:    "an Envoy, a manager and the store's primary are killed under mixed traffic",
		Done:     "SIGKILL of each within half a minute, with two Envoys, two managers, policy changing all the time; `make soak` goes on for ten minutes, see below",
		Promised: "no wrong decision, nothing over a contract, usage exact but for one flush of the killed Envoy",
		Seen:     fmt.Sprintf("%d calls, all decided rightly", len(w.traffic.calls)),
	})
}

func (w *world) start(ctx context.Context) (err error) {
	if w.upstream, err = startUpstream(); err != nil {
		return err
	}
	members := 1
	if whole() {
		members = 3
	}
	port, err := freePorts(members)
	if err != nil {
		return err
	}
	if w.set, err = mongod.Start(ctx, mongod.Options{Members: members, Port: port}); err != nil {
		return err
	}
	w.url = w.set.URL(database)
	for range 2 {
		n, err := startNode(w.url)
		if err != nil {
			return err
		}
		w.nodes = append(w.nodes, n)
	}
	random := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(*seed, stream)) }
	w.operator = &operator{nodes: w.nodes, length: *length, random: random(1), keys: map[string][]string{}}
	if err := w.operator.begin(ctx); err != nil {
		return err
	}
	if err := w.startEdges(ctx); err != nil {
		return err
	}
	w.breaker = &breaker{set: w.set, nodes: w.nodes, slots: w.slots, random: random(2)}
	w.traffic = &traffic{slots: w.slots, seed: *seed}
	return nil
}

func (w *world) startEdges(ctx context.Context) error {
	path, err := module()
	if err != nil {
		return err
	}
	ports := [2]int{}
	for i, n := range w.nodes {
		if _, err := fmt.Sscanf(n.address, "127.0.0.1:%d", &ports[i]); err != nil {
			return err
		}
	}
	errs := make([]error, 2)
	var all sync.WaitGroup
	for i := range 2 {
		places := envoyexamples.Places{Manager: ports[i], Second: ports[1-i], Payments: w.upstream.port, Risk: w.upstream.port, Module: path}
		s := &slot{index: i, options: envoyexamples.Options{Places: places, EdgeToken: edgeToken, Workers: 2}}
		w.slots = append(w.slots, s)
		all.Go(func() { errs[i] = s.start(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// run drives everything for the length, and ends with all whole.
func (w *world) run(ctx context.Context) error {
	changes, faults, plan := 700*time.Millisecond, time.Second, []string{envoyKilled, managerKilled, primaryKilled}
	if whole() {
		changes, faults, plan = 1200*time.Millisecond, 7*time.Second, nil
	}
	w.began = time.Now()
	w.breaker.spared = w.began.Add(2 * time.Minute)
	running, end := context.WithCancel(ctx)
	defer end()
	breaking, cancel := context.WithTimeout(ctx, *length-5*time.Second)
	defer cancel()
	sizing, stopSizing := context.WithCancel(ctx)
	defer stopSizing()
	errs := make([]error, 3)
	var all, sizes sync.WaitGroup
	sizes.Go(func() { w.samples = watchSizes(sizing, w.nodes, w.slots) })
	all.Go(func() { w.traffic.run(running, lanes(w.operator)) })
	all.Go(func() { errs[0] = w.operator.run(running, changes) })
	all.Go(func() {
		errs[1] = w.breaker.run(breaking, faults, plan)
		time.AfterFunc(5*time.Second, end) // what was broken last has its consequences
	})
	if whole() {
		all.Go(func() { errs[2] = w.measureStore(running) })
	}
	all.Wait()
	w.ended = time.Now()
	stopSizing()
	sizes.Wait()
	return errors.Join(errs...)
}

// measureStore notes the size of the store after two minutes.
func (w *world) measureStore(ctx context.Context) (err error) {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(2 * time.Minute):
	}
	w.early, err = storeSize(ctx, w.url, database)
	return err
}

// stop ends what was started, and finds what had ended by itself.
func (w *world) stop() error {
	var errs []error
	for _, s := range w.slots {
		if e := s.current(); e != nil {
			errs = append(errs, e.check(), e.Stop())
			e.client.CloseIdleConnections()
		}
	}
	for _, n := range w.nodes {
		if _, _, ok := n.process(); ok {
			errs = append(errs, n.end(syscall.SIGTERM))
		}
	}
	if w.set != nil {
		errs = append(errs, w.set.Stop())
	}
	if w.upstream != nil {
		errs = append(errs, w.upstream.server.Close())
	}
	return errors.Join(errs...)
}
