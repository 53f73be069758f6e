package policy

// Sizes of the snapshot's format.
const (
	// MaxPart is the most bytes of one part.
	MaxPart = 256 << 10
	// MaxParts is the most parts of a snapshot.
	MaxParts = 1 << 13
	// MaxName is the longest name of a resource: a DNS label.
	MaxName = 63
	// MaxString is the longest string in a snapshot.
	MaxString = 1<<16 - 1
	// MaxClockAhead is how far in the future a snapshot may have been made, in
	// milliseconds, before it is refused.
	MaxClockAhead = 10 * 60 * 1000

	maxBits = 12 // a table has at most 1<<maxBits parts
)

// Table is one kind of records in a snapshot.
type Table uint8

// The tables.
const (
	TableHosts Table = iota
	TableNodes
	TableCredentials
	TablePartners
	TableGrants
	TablePlans
	TableProducts
	NumTables
)

// Manifest lists the parts of one snapshot. It is read in place.
type Manifest struct {
	Lineage [16]byte
	Version uint64 // of the policy, rising by at least one a change
	Time    int64  // when it was compiled, Unix milliseconds
	// Emptied says that the operator took the last product away. An empty
	// snapshot without it is refused by whoever holds one that is not empty.
	Emptied bool
	// Imported says that some credentials are keys of another form than
	// ParseKey reads, so that such keys are looked up too.
	Imported bool
	Bits     [NumTables]uint8 // a table has 1<<Bits shards
	entries  string
	raw      string
}

// PartID says which part of which table.
type PartID struct {
	Table Table
	Shard uint16
}

// ManifestEntry is one part. An empty shard has no part.
type ManifestEntry struct {
	PartID
	Size   uint32
	Digest [32]byte // SHA-256 of the part
}

const (
	manifestMagic     = "PGMF"
	manifestHeadSize  = 4 + 2 + 2 + 16 + 8 + 8 + int(NumTables) + 4
	manifestEntrySize = 1 + 2 + 4 + 32
	digestSize        = 32
)

// Error is an error of a snapshot's bytes: a constant, so that it costs nothing.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// Why a snapshot is refused.
const (
	ErrTruncated   Error = "policy: the bytes end too early"
	ErrNotManifest Error = "policy: these bytes are not a manifest"
	ErrSchema      Error = "policy: the schema version is not one that this filter reads"
	ErrDigest      Error = "policy: the digest is wrong"
	ErrMalformed   Error = "policy: the bytes are malformed"
	ErrDuplicate   Error = "policy: two records have one identity"
	ErrTooLarge    Error = "policy: a part or the manifest is too large"
	ErrOlder       Error = "policy: the version is older than the one held"
	ErrFuture      Error = "policy: it was made too far in the future"
	ErrEmpty       Error = "policy: it is empty, and nobody asked for that"
	ErrNotListed   Error = "policy: the manifest does not list such a part"
	ErrIncomplete  Error = "policy: parts are missing"
)

// ParseManifest checks a manifest's form and digest.
func ParseManifest(raw string) (*Manifest, error) {
	if len(raw) < 6 || raw[:4] != manifestMagic {
		return nil, ErrNotManifest
	}
	if !readsSchema(raw[4]) {
		return nil, ErrSchema
	}
	if len(raw) < manifestHeadSize+digestSize {
		return nil, ErrTruncated
	}
	if len(raw) > maxManifest {
		return nil, ErrTooLarge
	}
	body := raw[:len(raw)-digestSize]
	if sum := Digest(body); string(sum[:]) != raw[len(body):] {
		return nil, ErrDigest
	}
	m := &Manifest{raw: raw}
	if !m.readHead(body) || !m.entriesInOrder() {
		return nil, ErrMalformed
	}
	return m, nil
}

func (m *Manifest) readHead(body string) bool {
	r := reader{rest: body[5:]}
	m.Emptied = r.uint8() == 1
	m.Imported = r.uint8() == 1
	r.take(1)
	copy(m.Lineage[:], r.take(16))
	m.Version = r.uint64()
	m.Time = r.int64()
	for t := range m.Bits {
		if m.Bits[t] = r.uint8(); m.Bits[t] > maxBits {
			return false
		}
	}
	n := int(r.uint32())
	m.entries = r.take(n * manifestEntrySize)
	return n <= MaxParts && r.done()
}

// entriesInOrder checks that parts are listed in strictly rising order, in range and in size.
func (m *Manifest) entriesInOrder() bool {
	last := -1
	for i := range m.Len() {
		id := m.id(i)
		r := reader{rest: m.entries[i*manifestEntrySize+3:]}
		if id.Table >= NumTables || id.Shard >= 1<<m.Bits[id.Table] || r.uint32() > MaxPart || id.order() <= last {
			return false
		}
		last = id.order()
	}
	return true
}

// order is a part's place among all: by table, then shard.
func (id PartID) order() int { return int(id.Table)<<16 | int(id.Shard) }

// id is the part of entry i, which is all that most looking through needs.
func (m *Manifest) id(i int) PartID {
	e := m.entries[i*manifestEntrySize:]
	return PartID{Table(e[0]), uint16(e[1]) | uint16(e[2])<<8}
}

// entry is entry i as it stands: equal bytes are equal parts.
func (m *Manifest) entry(i int) string {
	return m.entries[i*manifestEntrySize : (i+1)*manifestEntrySize]
}

// find returns the first entry from at on that is not before a part.
func (m *Manifest) find(id PartID, at int) int {
	for at < m.Len() && m.id(at).order() < id.order() {
		at++
	}
	return at
}

// Len is the number of parts.
func (m *Manifest) Len() int { return len(m.entries) / manifestEntrySize }

// Entry returns part i, 0 ≤ i < Len.
func (m *Manifest) Entry(i int) (e ManifestEntry) {
	r := reader{rest: m.entries[i*manifestEntrySize:]}
	e.Table = Table(r.uint8())
	e.Shard = r.uint16()
	e.Size = r.uint32()
	copy(e.Digest[:], r.take(digestSize))
	return e
}

// Raw returns the manifest's bytes.
func (m *Manifest) Raw() string { return m.raw }

// Empty reports whether no host is served.
func (m *Manifest) Empty() bool { return m.Len() == 0 || m.Entry(0).Table != TableHosts }

// Follows tells whether a proxy that holds held (nil for none) may go over to
// m, at now in Unix milliseconds; the error says why not. Another lineage is
// another store, whose versions say nothing about those held.
func (m *Manifest) Follows(held *Manifest, now int64) error {
	switch {
	case m.Time > now+MaxClockAhead:
		return ErrFuture
	case held == nil:
		return nil
	case m.Lineage == held.Lineage && m.Version < held.Version:
		return ErrOlder
	case m.Empty() && !held.Empty() && !m.Emptied:
		return ErrEmpty
	}
	return nil
}

// appendManifest encodes what ParseManifest reads.
func appendManifest(m *Manifest, entries []ManifestEntry) []byte {
	b := make([]byte, 0, manifestHeadSize+len(entries)*manifestEntrySize+digestSize)
	b = append(b, manifestMagic...)
	b = append(b, SchemaWritten, 0, 0, 0)
	if m.Emptied {
		b[5] = 1
	}
	if m.Imported {
		b[6] = 1
	}
	b = append(b, m.Lineage[:]...)
	b = appendUint64(b, m.Version)
	b = appendUint64(b, uint64(m.Time))
	b = append(b, m.Bits[:]...)
	b = appendUint32(b, uint32(len(entries)))
	for _, e := range entries {
		b = append(b, byte(e.Table))
		b = appendUint16(b, e.Shard)
		b = appendUint32(b, e.Size)
		b = append(b, e.Digest[:]...)
	}
	sum := Digest(string(b))
	return append(b, sum[:]...)
}
