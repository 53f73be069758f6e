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
	before := heldEntries{snapshot: held}
	for i := range m.Len() {
		e := m.Entry(i)
		if p, ok := before.find(e, m.Bits[e.Table]); ok {
			l.next.tables[e.Table].shards[e.Shard] = p
		} else {
			l.missing = append(l.missing, e)
		}
	}
	return l
}

// heldEntries walks the manifest held, which is in the same order as the new one.
type heldEntries struct {
	snapshot *Snapshot
	at       int
}

func (h *heldEntries) find(e ManifestEntry, bits uint8) (part, bool) {
	if h.snapshot == nil {
		return part{}, false
	}
	m := h.snapshot.manifest
	for ; h.at < m.Len(); h.at++ {
		old := m.Entry(h.at)
		if old.Table < e.Table || old.Table == e.Table && old.Shard < e.Shard {
			continue
		}
		if old.PartID != e.PartID || old.Digest != e.Digest || m.Bits[e.Table] != bits {
			return part{}, false
		}
		return h.snapshot.tables[e.Table].shards[e.Shard], true
	}
	return part{}, false
}

// Missing lists the parts still to be added. The slice is the loader's.
func (l *Loader) Missing() []ManifestEntry { return l.missing }

// Add checks a missing part's digest and form, and takes it in.
func (l *Loader) Add(id PartID, raw string) error {
	for i, e := range l.missing {
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
		l.missing = append(l.missing[:i], l.missing[i+1:]...)
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
