package manager

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// keptVersions is for how many versions after the one that they belonged to
// parts are still served: a proxy amid fetching is not cut off.
const keptVersions = 4

// Published is one compiled snapshot, as proxies fetch it. It is never changed.
type Published struct {
	Snapshot *policy.Snapshot
	Manifest []byte
	Parts    map[[32]byte][]byte // by digest; also those of the last few versions
	Version  int64
	At       time.Time // when it was published

	policy *state // that it was compiled from
}

// publisher holds what is published, and tells when that changes.
type publisher struct {
	current atomic.Pointer[Published]

	mu      sync.Mutex // guards the rest
	changed chan struct{}
	recent  []map[[32]byte]bool // digests of the last versions, newest last
}

// publish makes a snapshot the current one, and reports false where its bytes are that already.
func (p *publisher) publish(next *compiled, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.current.Load()
	if before != nil && string(before.Manifest) == next.built.Manifest {
		return false
	}
	p.current.Store(&Published{
		Snapshot: next.snapshot, Manifest: []byte(next.built.Manifest),
		Parts: p.parts(next.built, before), Version: next.policy.revision, At: at, policy: next.policy,
	})
	close(p.changed)
	p.changed = make(chan struct{})
	return true
}

// parts gathers the parts of a snapshot and of those before it.
func (p *publisher) parts(built *policy.Built, before *Published) map[[32]byte][]byte {
	digests := make(map[[32]byte]bool, len(built.Parts))
	for digest := range built.Parts {
		digests[digest] = true
	}
	p.recent = append(p.recent, digests)
	p.recent = p.recent[max(0, len(p.recent)-keptVersions-1):]

	parts := make(map[[32]byte][]byte, len(built.Parts))
	for _, version := range p.recent {
		for digest := range version {
			if before != nil && before.Parts[digest] != nil {
				parts[digest] = before.Parts[digest]
			} else {
				parts[digest] = []byte(built.Parts[digest])
			}
		}
	}
	return parts
}

// Published is the current snapshot; never nil.
func (s *Service) Published() *Published { return s.publisher.current.Load() }

// Changed is closed at the next publication. Get it before Published, so that
// nothing is missed in between.
func (s *Service) Changed() <-chan struct{} {
	s.publisher.mu.Lock()
	defer s.publisher.mu.Unlock()
	return s.publisher.changed
}
