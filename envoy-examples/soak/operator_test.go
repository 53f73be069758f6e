package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/documents"
)

// change is one step of the policy's history. Between begun and done it may be in force or not.
type change struct {
	what        string
	begun, done time.Time
	version     int64
	state       *state
	everywhere  time.Time // when every live proxy had it; zero: not within 20 s
}

// operator changes the policy, one change after the other, at one manager or the other.
type operator struct {
	nodes   []*node
	length  time.Duration
	random  *rand.Rand
	lock    sync.Mutex // guards history and keys, which traffic reads
	history []change
	keys    map[string][]string // by partner/environment, the revoked ones too
	last    int64               // the version of the last change
	retries int                 // changes that had to be asked for again
}

func (o *operator) now() *state {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.history[len(o.history)-1].state
}

// keysOf are the keys that a partner was ever given for an environment.
func (o *operator) keysOf(partner, environment string) []string {
	o.lock.Lock()
	defer o.lock.Unlock()
	return slices.Clone(o.keys[partner+"/"+environment])
}

// begin applies the estate and makes the first keys.
func (o *operator) begin(ctx context.Context) error {
	s := first()
	if err := o.apply(ctx, "estate", s, estateYAML(s, o.length)); err != nil {
		return err
	}
	owners := map[subscription]bool{}
	for sub := range s.subscriptions {
		owners[subscription{partner: sub.partner, environment: sub.environment}] = true
	}
	for owner := range owners {
		if err := o.createKey(ctx, owner.partner, owner.environment); err != nil {
			return err
		}
	}
	return nil
}

// run changes something every now and then until ctx ends.
func (o *operator) run(ctx context.Context, every time.Duration) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every/2 + time.Duration(o.random.Int64N(int64(every)))):
		}
		if err := o.step(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		o.measure(context.WithoutCancel(ctx))
	}
}

// measure notes when every proxy has the last change.
func (o *operator) measure(ctx context.Context) {
	o.lock.Lock()
	last := &o.history[len(o.history)-1] // nothing is appended meanwhile
	o.lock.Unlock()
	if last.version == 0 {
		return
	}
	for range 3 {
		behind, err := o.nodes[o.random.IntN(len(o.nodes))].Acknowledged(ctx, last.version, 10*time.Second)
		if err == nil && len(behind) == 0 {
			last.everywhere = time.Now()
			return
		}
	}
}

// step makes one change, chosen at random.
func (o *operator) step(ctx context.Context) error {
	partner := flips[o.random.IntN(len(flips))]
	s := o.now().copy()
	sub := o.anySubscription(s, partner)
	t := s.subscriptions[sub]
	switch o.random.IntN(9) {
	case 0, 1:
		return o.revoke(ctx, partner)
	case 2:
		return o.createKey(ctx, partner, sub.environment)
	case 3:
		return o.rotate(ctx, partner)
	case 4:
		s.suspended[partner] = !s.suspended[partner]
		return o.apply(ctx, "partner", s, partnerYAML(s, partner))
	case 5:
		s.retired["ledger"] = !s.retired["ledger"]
		return o.apply(ctx, "product", s, productYAML(s, "ledger"))
	case 6:
		t.narrowed = !t.narrowed && sub.product == "payments"
	case 7:
		t.state = other(t.state, manager.StateSuspended)
	default:
		t.state = other(t.state, manager.StateEnded)
	}
	s.subscriptions[sub] = t
	return o.apply(ctx, "subscription", s, subscriptionYAML(s, sub))
}

// other makes an active subscription no longer active, and any other active.
func other(now, instead manager.State) manager.State {
	if now == manager.StateActive {
		return instead
	}
	return manager.StateActive
}

func (o *operator) anySubscription(s *state, partner string) subscription {
	var all []subscription
	for sub := range s.subscriptions {
		if sub.partner == partner {
			all = append(all, sub)
		}
	}
	slices.SortFunc(all, func(a, b subscription) int { return slices.Compare([]string{a.name()}, []string{b.name()}) })
	return all[o.random.IntN(len(all))]
}

func (o *operator) apply(ctx context.Context, what string, s *state, yaml string) error {
	read, err := manager.ReadDocuments("soak.yaml", []byte(yaml), nil)
	if err != nil {
		return err
	}
	return o.commit(ctx, what, s, func(ctx context.Context, n *node) (int64, error) {
		result, err := n.Apply(ctx, documents.Resources(read), manager.ApplyOptions{})
		if err != nil {
			return 0, err
		}
		return result.PolicyVersion, nil
	})
}

func (o *operator) createKey(ctx context.Context, partner, environment string) error {
	s := o.now().copy()
	return o.commitKey(ctx, "key made", s, partner, environment, func(ctx context.Context, n *node) (*manager.NewKey, error) {
		return n.CreateKey(ctx, partner, "app", environment, "")
	})
}

// rotate replaces a key; the old one goes on for longer than the run.
func (o *operator) rotate(ctx context.Context, partner string) error {
	key, s := o.liveKey(partner), o.now().copy()
	k := s.keys[key]
	if key == "" || k.rotated {
		return o.createKey(ctx, partner, "sandbox")
	}
	k.rotated = true
	s.keys[key] = k
	return o.commitKey(ctx, "key rotated", s, partner, s.keys[key].environment, func(ctx context.Context, n *node) (*manager.NewKey, error) {
		return n.RotateKey(ctx, s.keys[key].id, "6h")
	})
}

func (o *operator) revoke(ctx context.Context, partner string) error {
	key, s := o.liveKey(partner), o.now().copy()
	if key == "" {
		return o.createKey(ctx, partner, "production")
	}
	k := s.keys[key]
	k.revoked = true
	s.keys[key] = k
	return o.commit(ctx, "key revoked", s, func(ctx context.Context, n *node) (int64, error) { return n.RevokeKey(ctx, k.id) })
}

// liveKey is one of a partner's keys that is not revoked, "" where there is none.
func (o *operator) liveKey(partner string) string {
	var live []string
	for key, k := range o.now().keys {
		if k.partner == partner && !k.revoked {
			live = append(live, key)
		}
	}
	if len(live) == 0 {
		return ""
	}
	slices.Sort(live)
	return live[o.random.IntN(len(live))]
}

func (o *operator) commitKey(ctx context.Context, what string, s *state, partner, environment string,
	make func(context.Context, *node) (*manager.NewKey, error),
) error {
	return o.commit(ctx, what, s, func(ctx context.Context, n *node) (int64, error) {
		key, err := make(ctx, n)
		if err != nil {
			return 0, err
		}
		s.keys[key.Key] = keyed{partner: partner, environment: environment, id: key.ID}
		o.lock.Lock()
		defer o.lock.Unlock()
		o.keys[partner+"/"+environment] = append(o.keys[partner+"/"+environment], key.Key)
		return key.PolicyVersion, nil
	})
}

// commit asks one manager after the other until one has made the change, and writes history. A refusal of a second try means that
// the first had been heard.
func (o *operator) commit(ctx context.Context, what string, s *state, ask func(context.Context, *node) (int64, error)) error {
	c := change{what: what, begun: time.Now(), state: s}
	o.lock.Lock()
	o.history = append(o.history, c)
	at := len(o.history) - 1
	o.lock.Unlock()
	var err error
	for try, n := 0, o.random.IntN(len(o.nodes)); time.Since(c.begun) < time.Minute; try, n = try+1, n+1 {
		asked, cancel := context.WithTimeout(ctx, 25*time.Second)
		c.version, err = o.askInTurn(asked, o.nodes[n%len(o.nodes)], ask)
		cancel()
		var refused *client.Problem
		if try > 0 && errors.As(err, &refused) && refused.Status < 500 {
			c.version = o.last
			if version, err := o.nodes[n%len(o.nodes)].PolicyVersion(ctx); err == nil {
				c.version, o.last = version, version
			}
		}
		if err == nil || (try > 0 && errors.As(err, &refused) && refused.Status < 500) {
			c.done = time.Now()
			o.lock.Lock()
			o.history[at] = c
			o.lock.Unlock()
			return nil
		}
		if errors.As(err, &refused) && refused.Status < 500 {
			return fmt.Errorf("change the policy (%s): %w", what, err)
		}
		o.retries++
		time.Sleep(100 * time.Millisecond) // not to ask a dead manager in a loop
	}
	return fmt.Errorf("change the policy (%s): no manager took it for a minute: %w", what, err)
}

// askInTurn waits until the manager has heard of the change before, which another may have taken.
func (o *operator) askInTurn(ctx context.Context, n *node, ask func(context.Context, *node) (int64, error)) (int64, error) {
	for {
		version, err := n.PolicyVersion(ctx)
		if err != nil {
			return 0, err
		}
		if version >= o.last {
			break
		}
		time.Sleep(5 * time.Millisecond) // a manager tells when others have changed something only when it is asked
	}
	version, err := ask(ctx, n)
	o.last = max(o.last, version)
	return version, err
}
