package manager

import (
	"context"
	"time"
)

// pollInterval is how often a Service asks whether another manager has written.
const pollInterval = time.Second

// poll picks up what other managers write.
func (s *Service) poll() {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		case <-s.lookNow:
		}
		s.noteStore(s.pollOnce(s.ctx))
	}
}

// pollOnce also finds out whether the store answers.
func (s *Service) pollOnce(ctx context.Context) error {
	s.outage.ask()
	revision, err := s.store.PolicyRevision(ctx)
	s.outage.done(err, s.now())
	if err != nil {
		return s.unavailable("PolicyRevision", err)
	}
	if revision == s.current().revision {
		return nil
	}
	return s.follow(ctx)
}

// follow reloads the policy where the store has another revision.
func (s *Service) follow(ctx context.Context) error {
	revision, err := s.store.PolicyRevision(ctx)
	if err != nil {
		return s.unavailable("PolicyRevision", err)
	}
	if revision == s.current().revision {
		return nil
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	// Only under the lock do the two belong together: a change of our own is
	// stored before it is current.
	if revision, err = s.store.PolicyRevision(ctx); err != nil {
		return s.unavailable("PolicyRevision", err)
	}
	if revision == s.current().revision {
		return nil
	}
	return s.reload(ctx)
}

// noteStore keeps for Ready, and logs once, whether the store answers.
func (s *Service) noteStore(err error) {
	if s.ctx.Err() != nil {
		return
	}
	if err == nil {
		if s.away.Swap(nil) != nil {
			s.logger.Info("the policy is read again", "policy_version", s.PolicyVersion())
		}
		return
	}
	if s.away.Swap(&err) == nil {
		s.logger.Error("the policy cannot be read; the last one stays", "error", err, "policy_version", s.PolicyVersion())
	}
}

// How long who asks something waits for what another manager has stored: for
// the revision, and for reading it. Then the policy that is known answers.
const (
	askPatience  = 500 * time.Millisecond
	readPatience = 5 * time.Second
)

// refresh takes in what other managers have stored. Everybody who comes in
// passes here, so that what was answered by one manager holds at all of them.
func (s *Service) refresh(ctx context.Context) {
	if s.notifier == nil || s.away.Load() != nil {
		return
	}
	asking, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if revision, err := s.store.PolicyRevision(asking); err != nil || revision == s.current().revision {
		return
	}
	reading, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	_ = s.follow(reading) // poll tries again, and tells why it fails
}

// sessions lets in who is logged in.
type sessions struct {
	SessionStore
	service *Service
}

// Session implements SessionStore.
func (s sessions) Session(ctx context.Context, digest [32]byte, now time.Time) (*Session, error) {
	s.service.refresh(ctx)
	return s.SessionStore.Session(ctx, digest, now)
}
