package policy

// A delta is a manifest written as what it shares with one before it, which
// spares nearly all of its bytes after a small change:
//
//	"PGMD", schema
//	steps: length (4 bytes), that many new bytes, then offset and length
//	(4 bytes each) of bytes of the manifest before
//
// What comes out is a manifest with its digest, so that a wrong delta, or one
// from another manifest, is found out.
const deltaMagic = "PGMD"

const maxManifest = manifestHeadSize + MaxParts*manifestEntrySize + digestSize

// Delta writes next as a delta from held, or as it is where that is shorter.
func Delta(held, next *Manifest) string {
	d := deltaWriter{b: append(make([]byte, 0, 1024), deltaMagic...)}
	d.b = append(d.b, SchemaWritten)
	d.insert(next.raw[:manifestHeadSize])
	at := 0
	for i := range next.Len() {
		entry := next.entry(i)
		if at = held.find(next.id(i), at); at < held.Len() && held.entry(at) == entry {
			d.take(manifestHeadSize+at*manifestEntrySize, manifestEntrySize)
		} else {
			d.insert(entry)
		}
	}
	d.insert(next.raw[len(next.raw)-digestSize:])
	d.step()
	if len(d.b) >= len(next.raw) {
		return next.raw
	}
	return string(d.b)
}

// deltaWriter gathers one step at a time.
type deltaWriter struct {
	b            []byte
	fresh        []byte
	from, length int
}

func (d *deltaWriter) insert(bytes string) {
	if d.length > 0 {
		d.step()
	}
	d.fresh = append(d.fresh, bytes...)
}

func (d *deltaWriter) take(from, length int) {
	if d.length > 0 && d.from+d.length != from {
		d.step()
	}
	if d.length == 0 {
		d.from = from
	}
	d.length += length
}

func (d *deltaWriter) step() {
	d.b = append(appendUint32(d.b, uint32(len(d.fresh))), d.fresh...)
	d.b = appendUint32(appendUint32(d.b, uint32(d.from)), uint32(d.length))
	d.fresh, d.from, d.length = d.fresh[:0], 0, 0
}

// ReadManifest is ParseManifest for bytes that may also be a delta from held,
// which may be nil.
func ReadManifest(raw string, held *Manifest) (*Manifest, error) {
	if len(raw) < 5 || raw[:4] != deltaMagic {
		return ParseManifest(raw)
	}
	if !readsSchema(raw[4]) {
		return nil, ErrSchema
	}
	if held == nil {
		return nil, ErrIncomplete
	}
	var whole []byte
	for r := (reader{rest: raw[5:]}); !r.done(); {
		whole = append(whole, r.take(int(r.uint32()))...)
		from, length := int(r.uint32()), int(r.uint32())
		if r.bad || from+length > len(held.raw) {
			return nil, ErrMalformed
		}
		if whole = append(whole, held.raw[from:from+length]...); len(whole) > maxManifest {
			return nil, ErrTooLarge
		}
	}
	return ParseManifest(string(whole))
}
