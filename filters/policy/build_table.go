package policy

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// recordSet gathers the records of one table.
type recordSet struct {
	records []record
	size    int
	err     error
}

type record struct {
	key      uint64
	identity string
	fields   []byte
}

func (s *recordSet) add(identity string, fields []byte) {
	s.records = append(s.records, record{hashSeed.string(identity).sum(), identity, fields})
	s.size += partIndexSize + 2 + len(identity) + len(fields)
}

// A shard is meant to hold about goodShard bytes: a changed record moves its
// whole shard, and each shard costs an entry in the manifest.
const goodShard = 12 << 10

// shardBits chooses the number of shards, keeping hint while it fits, so that
// a table that grows and shrinks a little is not divided anew each time.
func (s *recordSet) shardBits(hint int) uint8 {
	if hint >= 0 && s.size>>hint <= 2*goodShard && (hint == 0 || s.size>>hint >= goodShard/4) {
		return uint8(hint)
	}
	var bits uint8
	for bits < maxBits && s.size>>bits > goodShard {
		bits++
	}
	return bits
}

// parts encodes the table's shards, and returns their entries in order.
func (s *recordSet) parts(t Table, bits uint8, into map[[32]byte]string) ([]ManifestEntry, error) {
	if s.err != nil {
		return nil, s.err
	}
	slices.SortFunc(s.records, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.key, b.key), strings.Compare(a.identity, b.identity))
	})
	var entries []ManifestEntry
	for from := 0; from < len(s.records); {
		shard := shardOf(s.records[from].key, bits)
		to := from + 1
		for to < len(s.records) && shardOf(s.records[to].key, bits) == shard {
			if s.records[to].key == s.records[to-1].key && s.records[to].identity == s.records[to-1].identity {
				return nil, ErrDuplicate
			}
			to++
		}
		id := PartID{t, shard}
		raw := encodePart(id, bits, s.records[from:to])
		if len(raw) > MaxPart {
			return nil, errors.New("policy: the records beside " + s.records[from].identity + " are too many for one part")
		}
		e := ManifestEntry{PartID: id, Size: uint32(len(raw)), Digest: Digest(raw)}
		into[e.Digest] = raw
		entries = append(entries, e)
		from = to
	}
	return entries, nil
}

func encodePart(id PartID, bits uint8, records []record) string {
	size := partHeadSize + len(records)*partIndexSize
	for _, r := range records {
		size += 2 + len(r.identity) + len(r.fields)
	}
	b := make([]byte, 0, size)
	b = append(b, partMagic...)
	b = append(b, SchemaVersion, byte(id.Table), bits, 0)
	b = appendUint32(appendUint32(b, uint32(id.Shard)), uint32(len(records)))
	offset := partHeadSize + len(records)*partIndexSize
	for _, r := range records {
		b = appendUint32(appendUint64(b, r.key), uint32(offset))
		offset += 2 + len(r.identity) + len(r.fields)
	}
	for _, r := range records {
		b = append(appendString(b, r.identity), r.fields...)
	}
	return string(b)
}
