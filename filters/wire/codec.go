package wire

// encoder appends; decoder reads and remembers whether anything was wrong.
type encoder []byte

func (e *encoder) byte(v byte)     { *e = append(*e, v) }
func (e *encoder) uint16(v uint16) { *e = append(*e, byte(v), byte(v>>8)) }

func (e *encoder) uint32(v uint32) {
	*e = append(*e, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

func (e *encoder) uint64(v uint64) {
	e.uint32(uint32(v))
	e.uint32(uint32(v >> 32))
}

func (e *encoder) int64(v int64) { e.uint64(uint64(v)) }

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

func (e *encoder) string(s string) {
	e.uint32(uint32(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) array(b []byte) { *e = append(*e, b...) }

func (e *encoder) head(kind byte) {
	e.byte(Version)
	e.byte(kind)
}

type decoder struct {
	rest string
	err  error
}

func (d *decoder) take(n int) string {
	if n < 0 || n > len(d.rest) {
		d.fail(ErrMalformed)
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) fail(err Error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = ""
}

func (d *decoder) byte() byte {
	if s := d.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if s := d.take(2); s != "" {
		return uint16(s[0]) | uint16(s[1])<<8
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if s := d.take(4); s != "" {
		return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	low := uint64(d.uint32())
	return low | uint64(d.uint32())<<32
}

func (d *decoder) int64() int64 { return int64(d.uint64()) }

func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail(ErrMalformed)
	}
	return v == 1
}

func (d *decoder) string() string {
	n := d.uint32()
	if uint64(n) > uint64(len(d.rest)) {
		d.fail(ErrMalformed)
		return ""
	}
	return d.take(int(n))
}

func (d *decoder) array(b []byte) { copy(b, d.take(len(b))) }

// count reads the length of a list whose items take at least size bytes each.
func (d *decoder) count(limit, size int) int {
	n := d.uint32()
	switch {
	case n > uint32(limit):
		d.fail(ErrTooMany)
		return 0
	case int64(n)*int64(size) > int64(len(d.rest)):
		d.fail(ErrMalformed)
		return 0
	}
	return int(n)
}

func (d *decoder) head(kind byte) {
	v := d.byte()
	switch { // in every version the first byte is its number, the second the kind
	case d.byte() != kind:
		d.fail(ErrMalformed)
	case v < Oldest || v > Version:
		d.fail(ErrVersion)
	}
}

// end fails where bytes are left over, and returns the first error.
func (d *decoder) end() error {
	if d.err == nil && d.rest != "" {
		d.fail(ErrMalformed)
	}
	return d.err
}
