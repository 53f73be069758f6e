package policy

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// tableBuilder gathers the records of one table, and keeps those of the build
// before: a record that is there already is neither hashed nor copied, and a
// shard whose records are the same is neither encoded nor digested.
type tableBuilder struct {
	records []*record // in the order of the source
	size    int       // bytes of all parts, but for their heads
	bits    uint8
	shards  []builtShard

	before []*record // of the build before
	at     int       // the next of before to compare with
	fresh  int       // records that were not in before, in its order
	row    []byte    // the record being written
}

// record is one record of a table; raw is its identity, with the length before
// it, and its fields. It has bytes of its own, not those of its part: records
// are compared in the source's order, which is not that of the parts, and then
// the next one is mostly in the cache already (three times as fast).
type record struct {
	key uint64
	raw string
}

// builtShard is an encoded shard, and what it was encoded from.
type builtShard struct {
	records []*record // in the order of the source
	entry   ManifestEntry
	part    string
}

// begin starts a build.
func (t *tableBuilder) begin() {
	t.records, t.before = t.before[:0], t.records
	t.size, t.at, t.fresh = 0, 0, 0
}

// unchanged reports whether the build under way has had exactly the records of
// the one before, in that order.
func (t *tableBuilder) unchanged() bool {
	return t.fresh == 0 && len(t.records) == len(t.before)
}

// start begins a record; the caller appends its fields and hands it to add.
func (t *tableBuilder) start(identity string) []byte {
	return appendString(t.row[:0], identity)
}

func (t *tableBuilder) startBytes(identity []byte) []byte {
	return append(appendUint16(t.row[:0], uint16(len(identity))), identity...)
}

// lookAhead is how many records that stand before a known one may have been
// taken away for it to be found; beyond that it is only made anew.
const lookAhead = 32

func (t *tableBuilder) add(row []byte) {
	t.row = row
	t.size += partIndexSize + len(row)
	for i := t.at; i < min(t.at+lookAhead, len(t.before)); i++ {
		if known := t.before[i]; known.raw == string(row) {
			t.at = i + 1
			t.records = append(t.records, known)
			return
		}
	}
	t.fresh++
	identity := int(row[0]) | int(row[1])<<8
	t.records = append(t.records, &record{hashSeed.bytes(row[2 : 2+identity]).sum(), string(row)})
}

// A shard is meant to hold about goodShard bytes: a changed record moves its
// whole shard, and each shard costs an entry in the manifest.
const goodShard = 16 << 10

// shardBits chooses the number of shards of a table, keeping hint while it
// fits, so that a table that grows and shrinks a little is not divided anew
// each time.
func shardBits(size, hint int) uint8 {
	if hint >= 0 && size>>hint <= 2*goodShard && (hint == 0 || size>>hint >= goodShard/4) {
		return uint8(hint)
	}
	var bits uint8
	for bits < maxBits && size>>bits > goodShard {
		bits++
	}
	return bits
}

// divide deals the records out to the shards, keeping their order.
func (t *tableBuilder) divide(bits uint8) [][]*record {
	ends := make([]int, 1<<bits)
	for _, r := range t.records {
		ends[shardOf(r.key, bits)]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	dealt := make([]*record, len(t.records))
	for i := len(t.records) - 1; i >= 0; i-- {
		shard := shardOf(t.records[i].key, bits)
		ends[shard]--
		dealt[ends[shard]] = t.records[i]
	}
	shards := make([][]*record, len(ends))
	for i, from := range ends {
		to := len(dealt)
		if i+1 < len(ends) {
			to = ends[i+1]
		}
		shards[i] = dealt[from:to:to]
	}
	return shards
}

// parts encodes the table's shards, and returns their entries in order.
func (t *tableBuilder) parts(table Table, bits uint8, into map[[32]byte]string) ([]ManifestEntry, error) {
	if t.shards == nil || t.bits != bits {
		t.bits, t.shards = bits, make([]builtShard, 1<<bits)
	}
	var entries []ManifestEntry
	for i, records := range t.divide(bits) {
		shard := &t.shards[i]
		if len(records) == 0 {
			*shard = builtShard{}
			continue
		}
		if !slices.Equal(shard.records, records) {
			if err := shard.build(PartID{table, uint16(i)}, bits, records); err != nil {
				return nil, err
			}
		}
		shard.records = records // equal, but those of the build before can go
		into[shard.entry.Digest] = shard.part
		entries = append(entries, shard.entry)
	}
	return entries, nil
}

// build encodes a shard.
func (s *builtShard) build(id PartID, bits uint8, records []*record) error {
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, func(a, b *record) int {
		if order := cmp.Compare(a.key, b.key); order != 0 {
			return order
		}
		return strings.Compare(identityOf(a.raw), identityOf(b.raw))
	})
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1], sorted[i]; a.key == b.key && identityOf(a.raw) == identityOf(b.raw) {
			return ErrDuplicate
		}
	}
	s.part = encodePart(id, bits, sorted)
	if len(s.part) > MaxPart {
		return errors.New("policy: the records beside " + identityOf(sorted[0].raw) + " are too many for one part")
	}
	s.entry = ManifestEntry{PartID: id, Size: uint32(len(s.part)), Digest: Digest(s.part)}
	return nil
}

// encodePart encodes a shard's sorted records.
func encodePart(id PartID, bits uint8, records []*record) string {
	size := partHeadSize + len(records)*partIndexSize
	for _, r := range records {
		size += len(r.raw)
	}
	b := make([]byte, 0, size)
	b = append(b, partMagic...)
	b = append(b, SchemaWritten, byte(id.Table), bits, 0)
	b = appendUint32(appendUint32(b, uint32(id.Shard)), uint32(len(records)))
	offset := partHeadSize + len(records)*partIndexSize
	for _, r := range records {
		b = appendUint32(appendUint64(b, r.key), uint32(offset))
		offset += len(r.raw)
	}
	for _, r := range records {
		b = append(b, r.raw...)
	}
	return string(b)
}
