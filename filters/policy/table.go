package policy

// A part holds the records of one shard of one table, and is read in place:
//
//	"PGPT", schema, table, bits, 0, shard (4 bytes), count (4 bytes)
//	count × key (8 bytes), offset of the record in the part (4 bytes)
//	records: identity (length in 2 bytes before it), then the table's own fields
//
// The key is a hash of the identity; the index is sorted by key. A record ends
// where the next begins.
const (
	partMagic     = "PGPT"
	partHeadSize  = 16
	partIndexSize = 12
)

// part is one shard; the zero value is an empty one.
type part struct {
	raw   string
	count int
}

// parsePart checks a part's form: bounds, order, keys, shard, and every field
// of every record, so that reading it later needs no error path.
func parsePart(raw string, id PartID, bits uint8) (part, error) {
	p, err := partHead(raw, id, bits)
	if err != nil {
		return part{}, err
	}
	next := partHeadSize + p.count*partIndexSize
	for i := range p.count {
		key, record := p.at(i)
		if p.offset(i) != next || p.offset(i) > p.end(i) {
			return part{}, ErrMalformed
		}
		next = p.end(i)
		if err := checkRecord(key, record, id, bits); err != nil {
			return part{}, err
		}
		if i > 0 {
			if err := p.checkOrder(i, key, record); err != nil {
				return part{}, err
			}
		}
	}
	if next != len(raw) {
		return part{}, ErrMalformed
	}
	return p, nil
}

func partHead(raw string, id PartID, bits uint8) (part, error) {
	if len(raw) > MaxPart {
		return part{}, ErrTooLarge
	}
	r := reader{rest: raw}
	if r.take(4) != partMagic {
		return part{}, ErrMalformed
	}
	if !readsSchema(r.uint8()) {
		return part{}, ErrSchema
	}
	ours := Table(r.uint8()) == id.Table && r.uint8() == bits && r.uint8() == 0 && r.uint32() == uint32(id.Shard)
	count := r.uint32()
	if r.bad || !ours || int64(count)*partIndexSize > int64(len(r.rest)) {
		return part{}, ErrMalformed
	}
	return part{raw: raw, count: int(count)}, nil
}

func checkRecord(key uint64, record string, id PartID, bits uint8) error {
	r := reader{rest: record}
	identity := r.string()
	if r.bad || hashSeed.string(identity).sum() != key || shardOf(key, bits) != id.Shard {
		return ErrMalformed
	}
	if !checkFields[id.Table](identity, &r) {
		return ErrMalformed
	}
	return nil
}

// checkOrder compares record i with those before it that have its key.
func (p part) checkOrder(i int, key uint64, record string) error {
	for j := i - 1; j >= 0; j-- {
		before, other := p.at(j)
		if before > key {
			return ErrMalformed
		}
		if before < key {
			return nil
		}
		if identityOf(other) == identityOf(record) {
			return ErrDuplicate
		}
	}
	return nil
}

func identityOf(record string) string {
	r := reader{rest: record}
	return r.string()
}

func shardOf(key uint64, bits uint8) uint16 { return uint16(key >> 32 >> (32 - bits)) }

func (p part) key(i int) uint64 {
	r := reader{rest: p.raw[partHeadSize+i*partIndexSize:]}
	return r.uint64()
}

func (p part) offset(i int) int {
	r := reader{rest: p.raw[partHeadSize+i*partIndexSize+8:]}
	return int(r.uint32())
}

func (p part) end(i int) int {
	if i+1 == p.count {
		return len(p.raw)
	}
	return p.offset(i + 1)
}

// at returns record i; empty where its bounds are wrong.
func (p part) at(i int) (key uint64, record string) {
	from, to := p.offset(i), p.end(i)
	if from < partHeadSize || to < from || to > len(p.raw) {
		return p.key(i), ""
	}
	return p.key(i), p.raw[from:to]
}

// first returns the first index whose key is not less than key.
func (p part) first(key uint64) int {
	low, high := 0, p.count
	for low < high {
		middle := int(uint(low+high) >> 1)
		if p.key(middle) < key {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// table is all shards of one table.
type table struct {
	bits   uint8
	shards []part
}

// candidates walks the records with one key.
type candidates struct {
	part part
	at   int
	key  uint64
}

func (t *table) candidates(key uint64) candidates {
	shard := int(shardOf(key, t.bits))
	if shard >= len(t.shards) {
		return candidates{}
	}
	p := t.shards[shard]
	return candidates{part: p, at: p.first(key), key: key}
}

// next returns the next record's identity and the fields after it.
func (c *candidates) next() (identity string, fields reader, ok bool) {
	if c.at >= c.part.count {
		return "", reader{}, false
	}
	key, record := c.part.at(c.at)
	c.at++
	if key != c.key {
		return "", reader{}, false
	}
	fields = reader{rest: record}
	identity = fields.string()
	return identity, fields, true
}

// get looks up a record whose identity is at hand in one piece.
func (t *table) get(identity string) (reader, bool) {
	c := t.candidates(hashSeed.string(identity).sum())
	for {
		found, fields, ok := c.next()
		if !ok || found == identity {
			return fields, ok
		}
	}
}
