package manager

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// A watch without news is answered after watchLongest at most, and watchSpread
// earlier at least, so that proxies do not come back all at once.
const (
	watchLongest = 25 * time.Second
	watchSpread  = 3 * time.Second
)

// Watch answers a proxy that asks for a newer policy: at once where there is
// one or where the proxy is to sync, else after 25 seconds at most. Body and
// reply are a Watch and a WatchReply of package wire.
func (s *Service) Watch(ctx context.Context, body []byte) (reply []byte, err error) {
	m, err := wire.ParseWatch(string(body))
	if err != nil {
		return nil, unreadable("watch", err)
	}
	if !policy.Readable(m.Schema) {
		return nil, unknownSchema(m.Schema)
	}
	id, err := proxyID(m.Proxy.Node, m.Proxy.Nonce)
	if err != nil {
		return nil, err
	}
	telemetry.Note(ctx, "proxy", id)
	defer s.metrics.watching()()
	s.catchUp(ctx, &m)
	answer := s.watch(ctx, id, &m)
	return wire.InVersionOf(body, answer.Append(nil)), nil
}

// catchUp asks the store for the policy where a proxy has a newer one than
// this manager: another manager gave it out just now.
func (s *Service) catchUp(ctx context.Context, m *wire.Watch) {
	p := s.Published()
	if s.notifier != nil && m.Lineage == p.policy.lineage && m.Version > uint64(p.Version) {
		s.noteStore(s.follow(ctx)) // where it fails, the proxy gets what there is, and refuses it
	}
}

// holds tells whether a proxy has what is published. Where managers share a
// store, the same revision is enough: while they are of two versions they may
// compile it differently, and proxies must not swing between the two.
func (s *Service) holds(m *wire.Watch, p *Published) bool {
	return m.Digest == p.Digest || s.notifier != nil && m.Lineage == p.policy.lineage && m.Version == uint64(p.Version)
}

// patience is how long a watch waits for news.
func patience(m *wire.Watch) time.Duration {
	longest := watchLongest - rand.N(watchSpread)
	if m.Wait == 0 {
		return longest
	}
	return min(longest, time.Duration(m.Wait)*time.Millisecond)
}

// watch waits for news. Whatever ends it without news says that what the proxy
// holds is current, which it is.
func (s *Service) watch(ctx context.Context, id string, m *wire.Watch) wire.WatchReply {
	timer := time.NewTimer(patience(m))
	defer timer.Stop()
	ended, end := s.contacts.beginWatch(id, s.now())
	defer end()
	for {
		changed := s.Changed()
		published := s.Published()
		current := s.holds(m, published)
		if nudged := s.contacts.takeNudge(id, current, s.now()); nudged || !current {
			r := wire.WatchReply{SyncNow: nudged}
			if !current {
				r.Manifest = published.ManifestFor(m.Digest)
			}
			return r
		}
		select {
		case <-changed:
			continue
		case <-ended: // nudged, or another watch has taken its place
			return wire.WatchReply{SyncNow: s.contacts.takeNudge(id, true, s.now())}
		case <-timer.C:
		case <-s.ctx.Done():
		case <-ctx.Done():
		}
		return wire.WatchReply{}
	}
}

// beginWatch ends the watch that the proxy had under way: it has given that up.
func (c *contacts) beginWatch(id string, now time.Time) (ended <-chan struct{}, end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.get(id)
	p.hear(now)
	if p.watch != nil {
		close(p.watch)
	}
	mine := make(chan struct{})
	p.watch = mine
	return mine, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if p.watch == mine {
			p.watch = nil
		}
	}
}

// takeNudge reports once that a proxy is to sync. current says that what it
// holds is the current policy.
func (c *contacts) takeNudge(id string, current bool, now time.Time) (nudged bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.get(id)
	if current {
		p.policyAt = now
	}
	nudged, p.nudged = p.nudged, false
	return nudged
}

// Parts answers a proxy that fetches parts of a snapshot. Body and reply are a
// Parts and a PartsReply of package wire.
func (s *Service) Parts(_ context.Context, body []byte) (reply []byte, err error) {
	m, err := wire.ParseParts(string(body))
	if err != nil {
		return nil, unreadable("parts", err)
	}
	published := s.Published()
	var answer wire.PartsReply
	size := 64
	for _, digest := range m.Digests {
		part := published.Parts[digest]
		if len(part) == 0 {
			s.metrics.partMissing()
		}
		if size += len(part) + 4; size > wire.MaxMessage {
			break
		}
		answer.Parts = append(answer.Parts, part)
	}
	reply = answer.Append(make([]byte, 0, size))
	s.metrics.partsSent(len(reply))
	return wire.InVersionOf(body, reply), nil
}

// Reasons for which a proxy is refused that is of another version.
const (
	ReasonVersion = wire.UnknownVersion // of the messages
	ReasonSchema  = wire.UnknownSchema  // of the policy
)

func unknownSchema(schema uint8) error {
	return &Error{Code: CodeVersion, Reason: ReasonSchema, Message: fmt.Sprintf(
		"the filters of that proxy read policies of schema version %d and the one before; this manager makes version %d. "+
			"Bring manager and filters to versions that are at most one apart", schema, policy.SchemaWritten)}
}

func unreadable(what string, err error) error {
	if errors.Is(err, wire.ErrVersion) {
		return &Error{Code: CodeVersion, Reason: ReasonVersion, Message: fmt.Sprintf(
			"the body is a %s message of a version that this manager does not speak: it speaks %d to %d. "+
				"Bring manager and filters to versions that are at most one apart", what, wire.Oldest, wire.Version)}
	}
	return &Error{Code: CodeInvalid, Reason: "malformed",
		Message: "the body is not a " + what + " message: " + err.Error() + "; bring manager and filters to versions that are at most one apart"}
}
