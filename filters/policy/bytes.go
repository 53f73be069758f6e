package policy

// hash64 is FNV-1a with a final mix, since tables are split by the highest
// bits, which FNV mixes poorly. It is part of the snapshot's format.
type hash64 uint64

const hashSeed hash64 = 0xcbf29ce484222325

func (h hash64) string(s string) hash64 {
	for i := 0; i < len(s); i++ {
		h = h.byte(s[i])
	}
	return h
}

func (h hash64) bytes(b []byte) hash64 {
	for _, c := range b {
		h = h.byte(c)
	}
	return h
}

func (h hash64) byte(c byte) hash64 { return (h ^ hash64(c)) * 0x100000001b3 }

func (h hash64) uint64(v uint64) hash64 {
	for i := range 8 {
		h = h.byte(byte(v >> (8 * i)))
	}
	return h
}

func (h hash64) sum() uint64 {
	x := uint64(h)
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// reader reads little-endian fields in place. Reading past the end yields
// zeroes and sets bad, so that no bytes whatever can make it panic.
type reader struct {
	rest string
	bad  bool
}

func (r *reader) take(n int) string {
	if n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, ""
		return ""
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) uint8() uint8 {
	if b := r.take(1); b != "" {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != "" {
		return uint16(b[0]) | uint16(b[1])<<8
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != "" {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	return 0
}

func (r *reader) uint64() uint64 {
	low := uint64(r.uint32())
	return low | uint64(r.uint32())<<32
}

func (r *reader) int64() int64 { return int64(r.uint64()) }

// string reads a string with its length in two bytes before it.
func (r *reader) string() string { return r.take(int(r.uint16())) }

func (r *reader) done() bool { return !r.bad && r.rest == "" }

func appendUint16(b []byte, v uint16) []byte { return append(b, byte(v), byte(v>>8)) }

func appendUint32(b []byte, v uint32) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

func appendUint64(b []byte, v uint64) []byte {
	return appendUint32(appendUint32(b, uint32(v)), uint32(v>>32))
}

// appendString appends a string that is at most MaxString long.
func appendString(b []byte, s string) []byte {
	return append(appendUint16(b, uint16(len(s))), s...)
}
