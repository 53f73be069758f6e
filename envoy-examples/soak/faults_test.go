package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/partnergate/partnergate/manager/mongo/mongod"
)

// fault is something that was broken, and the time until it was whole again.
type fault struct {
	kind         string
	began, ended time.Time
	apart        bool // it stood between proxies and what the managers know
}

// breaker breaks things, one after the other.
type breaker struct {
	set    *mongod.Set
	nodes  []*node
	slots  []*slot
	random *rand.Rand
	spared time.Time // from then on the second manager and the second Envoy are not killed, so that their memory can be watched
	lock   sync.Mutex
	faults []fault
}

func (b *breaker) log() []fault {
	b.lock.Lock()
	defer b.lock.Unlock()
	return append([]fault{}, b.faults...)
}

// run breaks something every now and then until ctx ends and the plan is done, and leaves all whole. plan names what is broken first.
func (b *breaker) run(ctx context.Context, every time.Duration, plan []string) error {
	for {
		select {
		case <-ctx.Done():
			if len(plan) == 0 {
				return nil
			}
		case <-time.After(every/2 + time.Duration(b.random.Int64N(int64(every)))):
		}
		kind := kinds[b.random.IntN(len(kinds))]
		if len(plan) > 0 {
			kind, plan = plan[0], plan[1:]
		}
		if err := b.bring(context.WithoutCancel(ctx), kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
}

const (
	managerKilled  = "a manager killed"
	managerStopped = "a manager stopped in order"
	managerFrozen  = "a manager standing still"
	managersAway   = "both managers away"
	envoyKilled    = "an Envoy killed"
	primaryKilled  = "the primary killed"
	primaryDown    = "the primary stepped down"
)

// kinds are what may come next, each as likely as it stands here often.
var kinds = []string{managerKilled, managerKilled, managerStopped, managerFrozen, managersAway, envoyKilled, envoyKilled, envoyKilled, primaryKilled, primaryKilled, primaryDown}

// bring brings a fault about and returns when all is whole again.
func (b *breaker) bring(ctx context.Context, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	f := fault{kind: kind, began: time.Now(), apart: kind != envoyKilled}
	err := b.breakAndMend(ctx, kind)
	f.ended = time.Now()
	b.lock.Lock()
	defer b.lock.Unlock()
	b.faults = append(b.faults, f)
	return err
}

func (b *breaker) breakAndMend(ctx context.Context, kind string) error {
	one, two := b.nodes[0], b.nodes[1]
	if time.Now().Before(b.spared) && b.random.IntN(2) == 0 {
		one, two = two, one
	}
	switch kind {
	case managerKilled, managerStopped:
		signal := syscall.SIGKILL
		if kind == managerStopped {
			signal = syscall.SIGTERM
		}
		return b.restart(ctx, one, signal, b.while(0, 4))
	case managerFrozen:
		return b.freeze(ctx, two, b.while(1, 4))
	case managersAway:
		away := b.while(2, 5)
		frozen := make(chan error, 1)
		go func() { frozen <- b.freeze(ctx, two, away) }()
		err := b.restart(ctx, one, syscall.SIGKILL, away)
		if wrong := <-frozen; err == nil {
			err = wrong
		}
		return err
	case envoyKilled:
		return b.replace(ctx)
	case primaryKilled:
		return b.killPrimary(ctx, b.while(3, 8))
	default:
		if err := b.set.StepDown(ctx); err != nil {
			return err
		}
		return b.whole(ctx)
	}
}

func (b *breaker) while(least, most int) time.Duration {
	return time.Duration(least)*time.Second + time.Duration(b.random.Int64N(int64(most-least)*int64(time.Second)))
}

func (b *breaker) restart(ctx context.Context, n *node, s syscall.Signal, away time.Duration) error {
	if err := n.end(s); err != nil {
		return err
	}
	time.Sleep(away) // is the fault
	if err := n.start(); err != nil {
		return err
	}
	return n.answers(ctx)
}

func (b *breaker) freeze(ctx context.Context, n *node, while time.Duration) error {
	if err := n.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(while) // is the fault
	if err := n.signal(syscall.SIGCONT); err != nil {
		return err
	}
	return n.answers(ctx)
}

func (b *breaker) replace(ctx context.Context) error {
	s := b.slots[0]
	if time.Now().Before(b.spared) && b.random.IntN(2) == 0 {
		s = b.slots[1]
	}
	if err := s.kill(); err != nil {
		return err
	}
	return s.start(context.WithoutCancel(ctx)) // it outlives this fault
}

// killPrimary also brings it back, and returns when both managers can ask a primary again.
func (b *breaker) killPrimary(ctx context.Context, away time.Duration) error {
	restart, err := b.set.KillPrimary(ctx)
	if err != nil {
		return err
	}
	time.Sleep(away) // is the fault
	if err := restart(); err != nil {
		return err
	}
	return b.whole(ctx)
}

// whole waits until both managers answer from the store.
func (b *breaker) whole(ctx context.Context) error {
	for _, n := range b.nodes {
		if err := n.answers(ctx); err != nil {
			return err
		}
	}
	return nil
}

// reconnect is how long after a fault a proxy may take to ask again (2 s), and to be told (2 s).
const reconnect = 4 * time.Second

// silence is how long managers wait to hear from an Envoy that was killed.
const silence = 15 * time.Second

// together is how much of the time between a and b proxies and managers were not kept apart by a fault.
func together(faults []fault, a, b time.Time) time.Duration {
	if !b.After(a) {
		return 0
	}
	sum, at := time.Duration(0), a
	for _, f := range faults { // which are in order, and none at once
		if !f.apart || f.ended.Add(reconnect).Before(at) || f.began.After(b) {
			continue
		}
		sum += max(f.began.Sub(at), 0)
		if at = f.ended.Add(reconnect); !at.Before(b) {
			return sum
		}
	}
	return sum + b.Sub(at)
}
