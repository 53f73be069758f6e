// Package policy decides. It is compiled natively into the manager and to
// WebAssembly into the filters, so that what the portal publishes and what the
// gateway enforces come from one piece of code and one set of bytes.
//
// It is pure: no clock, no I/O, no globals that change, no package of a host.
// Time is an argument, in Unix milliseconds. What is on the path of a request
// allocates nothing. A Snapshot never changes, so strings taken from it stay
// good as long as anybody holds them.
package policy

// Snapshot is the compiled policy of one version: the only input of the
// portal's catalog and of the filters.
type Snapshot struct {
	manifest *Manifest
	tables   [NumTables]table
}

// Manifest returns what the snapshot was loaded by.
func (s *Snapshot) Manifest() *Manifest { return s.manifest }

// Version returns the policy's version.
func (s *Snapshot) Version() uint64 { return s.manifest.Version }

// Loader gathers the parts of a snapshot, one at a time, so that no single
// step takes long. Parts that the snapshot before has already are taken over.
type Loader struct {
	next    *Snapshot
	missing []ManifestEntry
}

// NewLoader begins a snapshot; held is the one before, or nil.
func NewLoader(m *Manifest, held *Snapshot) *Loader {
	l := &Loader{next: &Snapshot{manifest: m}}
	for t := range l.next.tables {
		l.next.tables[t] = table{bits: m.Bits[t], shards: make([]part, 1<<m.Bits[t])}
	}
	at := 0
	for i := range m.Len() {
		id := m.id(i)
		if held != nil && m.Bits[id.Table] == held.manifest.Bits[id.Table] {
			at = held.manifest.find(id, at)
			if at < held.manifest.Len() && held.manifest.entry(at) == m.entry(i) {
				l.next.tables[id.Table].shards[id.Shard] = held.tables[id.Table].shards[id.Shard]
				continue
			}
		}
		l.missing = append(l.missing, m.Entry(i))
	}
	return l
}

// Missing lists the parts still to be added. The slice is the loader's.
func (l *Loader) Missing() []ManifestEntry { return l.missing }

// Add checks a missing part's digest and form, and takes it in.
func (l *Loader) Add(id PartID, raw string) error {
	for i := range l.missing {
		e := &l.missing[i]
		if e.PartID != id {
			continue
		}
		if uint32(len(raw)) != e.Size || Digest(raw) != e.Digest {
			return ErrDigest
		}
		p, err := parsePart(raw, id, l.next.manifest.Bits[id.Table])
		if err != nil {
			return err
		}
		l.next.tables[id.Table].shards[id.Shard] = p
		if i == 0 { // as it is where they are added in order: nothing has to move
			l.missing = l.missing[1:]
		} else {
			l.missing = append(l.missing[:i], l.missing[i+1:]...)
		}
		return nil
	}
	return ErrNotListed
}

// Snapshot returns the snapshot once nothing is missing.
func (l *Loader) Snapshot() (*Snapshot, error) {
	if len(l.missing) > 0 {
		return nil, ErrIncomplete
	}
	return l.next, nil
}

// Part returns the bytes of a part; empty where there is none.
func (s *Snapshot) Part(id PartID) string {
	if id.Table >= NumTables || int(id.Shard) >= len(s.tables[id.Table].shards) {
		return ""
	}
	return s.tables[id.Table].shards[id.Shard].raw
}
