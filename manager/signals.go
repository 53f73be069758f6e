package manager

import (
	"context"
	"sync"
	"time"
)

// Signal asks a proxy to sync because of a bucket, whichever manager it watches.
type Signal struct{ Proxy, Bucket string }

// News is what another manager on the same store did. One field is set.
type News struct {
	Policy bool   // it may have stored another revision
	Bucket string // it has changed this bucket
	Signal Signal // it gave this signal
}

// PolicyDelta is what leads from one revision of the policy to a later one.
type PolicyDelta struct {
	Revision  int64
	ChangedAt time.Time // as of Policy
	Emptied   bool
	Changes   []Change // each resource at most once, in any order
}

// Notifier is a Store that several managers share, and that tells each at once
// what the others do. Nothing depends on it but time: the policy is asked for
// every second all the same, and proxies sync on their own.
type Notifier interface {
	// Signal tells the other managers. What it tells may get lost.
	Signal(ctx context.Context, signals []Signal) error
	// PolicyChanges reads at one revision what has changed since another one, or
	// returns ErrMissing where that is of another lineage or too long ago.
	PolicyChanges(ctx context.Context, lineage [16]byte, since int64) (*PolicyDelta, error)
	// Listen calls heard, one at a time, until ctx ends or the store fails.
	// Buckets and policies are those of this manager, too.
	Listen(ctx context.Context, heard func(News)) error
}

const (
	signalTimeout = 300 * time.Millisecond // a signal that takes longer comes too late
	listenAgain   = time.Second
)

// listen takes in what other managers do.
func (s *Service) listen() {
	told := false
	for s.ctx.Err() == nil {
		err := s.notifier.Listen(s.ctx, s.hear)
		if s.ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			s.logger.Warn("the store tells no more what other managers do; it is asked every second until it does", "error", err)
		}
		select {
		case <-time.After(listenAgain):
		case <-s.ctx.Done():
		}
		s.look()
	}
}

func (s *Service) hear(news News) {
	switch {
	case news.Policy:
		s.look()
	case news.Bucket != "":
		s.contacts.changed([]Bucket{{ID: news.Bucket}})
	case news.Signal.Proxy != "":
		s.contacts.nudge(news.Signal.Proxy, news.Signal.Bucket)
	}
}

// look makes poll ask for the policy's revision at once.
func (s *Service) look() {
	select {
	case s.lookNow <- struct{}{}:
	default: // it will
	}
}

// pass tells other managers which proxies are to sync that do not watch here.
// It reports whether it could.
func (s *Service) pass(ctx context.Context, signals []Signal) bool {
	if s.notifier == nil || len(signals) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	if err := s.notifier.Signal(ctx, signals); err != nil {
		s.logger.Debug("other managers could not be told that proxies are to sync; those do so by themselves, later", "error", err)
		return false
	}
	return true
}

// outage knows when the store did not answer. Who was silent then need not
// have been gone: another manager could not store that it had spoken.
type outage struct {
	mu    sync.Mutex
	asked time.Time // of the real clock; when the question under way began, zero for none
	ended time.Time // when the last outage did
}

// outageAfter is how long an answer may take.
const outageAfter = 2 * time.Second

// ask notes a question to the store; done, its answer.
func (o *outage) ask() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = time.Now()
}

func (o *outage) done(err error, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil || time.Since(o.asked) > outageAfter {
		o.ended = now
	}
	o.asked = time.Time{}
}

// lately tells whether the store does not answer, or did not within the time
// after which a proxy counts as gone.
func (o *outage) lately(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.asked.IsZero() && time.Since(o.asked) > outageAfter || !o.ended.IsZero() && now.Sub(o.ended) < silence
}
