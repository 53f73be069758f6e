package manager

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// silence is after how long without a word a proxy counts as gone: its
	// shares and slots are given on.
	silence = 15 * time.Second
	// listed is for how long a proxy that is gone is still named.
	listed = 24 * time.Hour
)

// ProxyView is what is known of one proxy process.
type ProxyView struct {
	ID            string // node id, ".", nonce in hexadecimal
	Node          string
	PolicyVersion int64         // the lowest that any of its VMs decides by
	PolicyAge     time.Duration // since it last confirmed that version as current
	LastSync      time.Time
	Live          bool // heard from within the last 15 seconds; the shares of others are given on
}

// contacts is what this manager knows of proxies beyond what is stored: it may
// be forgotten at any time.
type contacts struct {
	mu      sync.Mutex // guards the rest
	started time.Time  // when this manager was; before silence has passed since nobody is gone
	ended   time.Time  // who was heard of last until then has ended
	proxies map[string]*contact
	waiters map[string][]chan struct{} // by bucket: who waits for a change of it
	synced  chan struct{}              // closed at the next sync
}

// contact is one proxy. Its fields are guarded by contacts.mu, but for busy.
type contact struct {
	busy     chan struct{} // holds one token while a batch of it is decided on
	seen     time.Time
	lapsed   bool            // it was silent for too long, and no batch of it has been stored since
	watch    chan struct{}   // closed to end the watch under way; nil for none
	nudged   bool            // the next answer to a watch says that it is to sync
	buckets  map[string]bool // buckets that it is to be asked about though it may not report them
	policyAt time.Time       // when a watch confirmed the policy
	synced   bool            // a batch of it was stored here, and told
	version  int64           // by which policy it decides
}

func newContacts(now time.Time) *contacts {
	return &contacts{started: now, proxies: map[string]*contact{}, waiters: map[string][]chan struct{}{}, synced: make(chan struct{})}
}

// get returns the contact of a proxy. The caller holds mu.
func (c *contacts) get(id string) *contact {
	p := c.proxies[id]
	if p == nil {
		p = &contact{busy: make(chan struct{}, 1), buckets: map[string]bool{}}
		c.proxies[id] = p
	}
	return p
}

// hear notes that a proxy has called.
func (c *contacts) hear(id string, now time.Time) *contact {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.get(id)
	p.hear(now)
	return p
}

// hear notes a call. One that this manager has not heard of before may have
// been gone, too.
func (p *contact) hear(now time.Time) {
	p.lapsed = p.lapsed || now.Sub(p.seen) >= silence
	p.seen = now
}

// hasLapsed tells whether the proxy may have been gone since its last batch was stored.
func (c *contacts) hasLapsed(p *contact) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.lapsed
}

// caughtUp notes that a batch of the proxy was stored.
func (c *contacts) caughtUp(p *contact) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.lapsed = false
}

// heard is when the proxy was last heard of here.
func (c *contacts) heard(id string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.proxies[id]; p != nil && p.seen.After(c.started) {
		return p.seen
	}
	return c.started
}

// nudge makes a proxy sync at once because of a bucket, and reports whether a
// watch of it was there to be answered.
func (c *contacts) nudge(id, bucket string) (watching bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.get(id)
	p.buckets[bucket] = true
	p.nudged = true
	if p.watch == nil {
		return false
	}
	close(p.watch)
	p.watch = nil
	return true
}

// takeBuckets hands over the buckets that a proxy is to be asked about.
func (c *contacts) takeBuckets(p *contact) map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	buckets := p.buckets
	p.buckets = map[string]bool{}
	return buckets
}

// wait registers who waits for a change of any of the buckets.
func (c *contacts) wait(buckets []string) (changed chan struct{}, done func()) {
	changed = make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range buckets {
		c.waiters[id] = append(c.waiters[id], changed)
	}
	return changed, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, id := range buckets {
			others := slices.DeleteFunc(c.waiters[id], func(w chan struct{}) bool { return w == changed })
			if c.waiters[id] = others; len(others) == 0 {
				delete(c.waiters, id)
			}
		}
	}
}

// changed wakes who waits for one of the buckets.
func (c *contacts) changed(buckets []Bucket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range buckets {
		for _, w := range c.waiters[buckets[i].ID] {
			select {
			case w <- struct{}{}:
			default: // it has been told already
			}
		}
	}
}

// announce tells that a proxy has synced.
func (c *contacts) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.synced)
	c.synced = make(chan struct{})
}

func (c *contacts) nextSync() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}

// forget drops who was not heard of since t.
func (c *contacts) forget(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, p := range c.proxies {
		if p.seen.Before(t) && p.watch == nil && len(p.busy) == 0 {
			delete(c.proxies, id)
		}
	}
}

// gone tells since when a proxy counts as gone, if it does. It may have spoken
// to another manager, so the store is asked before it is taken for gone; where
// the store does not answer nobody is.
func (s *Service) gone(ctx context.Context, id string, now time.Time) (since time.Time, gone bool) {
	heard := s.contacts.heard(id)
	if s.contacts.alive(heard, now) || s.notifier != nil && s.outage.lately(now) {
		return now, false
	}
	p, err := s.store.Proxy(ctx, id)
	if err != nil {
		return now, errors.Is(err, ErrMissing)
	}
	heard = latest(heard, p.LastSync)
	if since = heard.Add(silence); since.After(now) {
		since = now
	}
	return since, !s.contacts.alive(heard, now)
}

// goneAt tells whether a proxy counts as gone at a time, and asks once for each.
func (s *Service) goneAt(ctx context.Context, now time.Time) func(id string) bool {
	known := map[string]bool{}
	return func(id string) bool {
		is, asked := known[id]
		if !asked {
			_, is = s.gone(ctx, id, now)
			known[id] = is
		}
		return is
	}
}

// alive tells whether a proxy that was heard of at a time counts as there.
func (c *contacts) alive(heard, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return heard.After(c.ended) && now.Sub(heard) < silence
}

// GiveUpProxies takes all proxies heard from so far for gone, so that what they
// hold is given on at once instead of after 15 seconds. It is for callers who
// know that those processes have ended.
func (s *Service) GiveUpProxies() {
	s.contacts.mu.Lock()
	defer s.contacts.mu.Unlock()
	s.contacts.started, s.contacts.ended = time.Time{}, s.now()
}

// Proxies lists the proxies heard from within the last day, by id.
func (s *Service) Proxies(ctx context.Context) ([]ProxyView, error) {
	now := s.now()
	stored, err := s.store.Proxies(ctx, now.Add(-listed))
	if err != nil {
		return nil, s.unavailable("Proxies", err)
	}
	views := make([]ProxyView, len(stored))
	for i := range stored {
		views[i] = s.contacts.view(&stored[i], now)
	}
	return views, nil
}

// liveProxies counts those that this manager heard from lately.
func (s *Service) liveProxies() (n float64) {
	now := s.now()
	s.contacts.mu.Lock()
	defer s.contacts.mu.Unlock()
	for _, p := range s.contacts.proxies {
		if now.Sub(p.seen) < silence {
			n++
		}
	}
	return n
}

func (c *contacts) view(p *Proxy, now time.Time) ProxyView {
	c.mu.Lock()
	seen, policyAt := p.LastSync, p.PolicyAt
	if k := c.proxies[p.ID]; k != nil {
		seen, policyAt = latest(seen, k.seen), latest(policyAt, k.policyAt)
	}
	c.mu.Unlock()
	return ProxyView{
		ID: p.ID, Node: p.Node, PolicyVersion: p.PolicyVersion, PolicyAge: max(now.Sub(policyAt), 0),
		LastSync: p.LastSync, Live: c.alive(seen, now),
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// AwaitAcknowledged waits until all live proxies decide by policyVersion or a
// later one. Where ctx ends before that it returns those that are behind, and
// the error of ctx.
func (s *Service) AwaitAcknowledged(ctx context.Context, policyVersion int64) (behind []ProxyView, err error) {
	look := time.NewTicker(time.Second) // a proxy that is gone tells nobody
	defer look.Stop()
	for {
		synced := s.contacts.nextSync()
		now, err := s.behind(context.WithoutCancel(ctx), policyVersion)
		if err != nil || len(now) == 0 {
			return now, err
		}
		select {
		case <-synced:
		case <-look.C:
		case <-s.ctx.Done():
			return now, errStopping()
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// behind lists the live proxies that decide by an older version.
func (s *Service) behind(ctx context.Context, policyVersion int64) ([]ProxyView, error) {
	views, err := s.Proxies(ctx)
	return slices.DeleteFunc(views, func(v ProxyView) bool { return !v.Live || v.PolicyVersion >= policyVersion }), err
}

func errStopping() error { return &Error{Code: CodeUnavailable, Message: "the manager is stopping"} }

// maxNode is the longest node id of a proxy.
const maxNode = 256

// proxyID is the name of a proxy, or what is wrong with it.
func proxyID(node string, nonce [16]byte) (string, error) {
	if len(node) > maxNode || clean(node, maxNode) != node || nonce == [16]byte{} {
		return "", &Error{Code: CodeInvalid, Reason: "proxy_unknown",
			Message: "the proxy must say who it is: a node id of at most 256 bytes of UTF-8, and a nonce that is not zero"}
	}
	const digits = "0123456789abcdef"
	var b strings.Builder
	b.WriteString(node)
	b.WriteByte('.')
	for _, v := range nonce {
		b.WriteByte(digits[v>>4])
		b.WriteByte(digits[v&15])
	}
	return b.String(), nil
}
