package manager

import (
	"encoding/hex"
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
	Manifest string
	Digest   [32]byte            // of Manifest
	Parts    map[[32]byte]string // by digest; also those of the last few versions
	Version  int64
	At       time.Time // when its version was made; where the store does not tell, when it was published here

	policy *state                        // that it was compiled from
	before map[[32]byte]*policy.Manifest // the last few, by their digests
}

// Lineage tells the policies of one store from those of another, in hexadecimal.
func (p *Published) Lineage() string { return hex.EncodeToString(p.policy.lineage[:]) }

// ManifestFor is the manifest for a proxy that holds the one with that digest:
// a delta from that where it is one of the last few.
func (p *Published) ManifestFor(held [32]byte) string {
	if before := p.before[held]; before != nil {
		return policy.Delta(before, p.Snapshot.Manifest())
	}
	return p.Manifest
}

// publisher holds what is published, and tells when that changes.
type publisher struct {
	current atomic.Pointer[Published]

	mu      sync.Mutex // guards the rest
	changed chan struct{}
	recent  []*recentVersion // the last versions, newest last
}

// recentVersion is what is kept of a version after the next one has come.
type recentVersion struct {
	manifest *policy.Manifest
	digest   [32]byte
	parts    map[[32]byte]bool
}

// publish makes a snapshot the current one, and reports false where its bytes are that already.
func (p *publisher) publish(next *compiled, now time.Time) bool {
	at := next.policy.changedAt
	if at.IsZero() {
		at = now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.current.Load()
	if before != nil && before.Manifest == next.built.Manifest {
		return false
	}
	p.keep(next)
	published := &Published{
		Snapshot: next.snapshot, Manifest: next.built.Manifest, Digest: p.recent[len(p.recent)-1].digest,
		Parts: p.parts(next.built, before), Version: next.policy.revision, At: at, policy: next.policy,
		before: map[[32]byte]*policy.Manifest{},
	}
	for _, version := range p.recent {
		published.before[version.digest] = version.manifest
	}
	p.current.Store(published)
	close(p.changed)
	p.changed = make(chan struct{})
	return true
}

// keep makes a version the newest of the recent ones.
func (p *publisher) keep(next *compiled) {
	version := &recentVersion{manifest: next.snapshot.Manifest(), digest: policy.Digest(next.built.Manifest), parts: make(map[[32]byte]bool, len(next.built.Parts))}
	for digest := range next.built.Parts {
		version.parts[digest] = true
	}
	p.recent = append(p.recent, version)
	p.recent = p.recent[max(0, len(p.recent)-keptVersions-1):]
}

// parts gathers the parts of a snapshot and of those before it.
func (p *publisher) parts(built *policy.Built, before *Published) map[[32]byte]string {
	parts := make(map[[32]byte]string, len(built.Parts))
	for _, version := range p.recent {
		for digest := range version.parts {
			if part, here := built.Parts[digest]; here {
				parts[digest] = part
			} else {
				parts[digest] = before.Parts[digest]
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
