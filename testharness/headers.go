package testharness

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Limits of a serialised list of pairs that a guest hands over; beyond them it
// counts as empty (proxy-wasm/limits.h).
const (
	maxPairsBytes = 1 << 20
	maxPairs      = 1024
)

// pair is one header or trailer. Names are lower case.
type pair struct{ name, value string }

// headerMap is a list of headers in order. Duplicates stay separate, but for
// the inline headers.
type headerMap struct {
	pairs  []pair
	inline map[string]bool
}

func (h *headerMap) get(name string) (string, bool) {
	name = strings.ToLower(name)
	for _, p := range h.pairs {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// value is the first value of a header, or nothing.
func (h *headerMap) value(name string) string {
	v, _ := h.get(name)
	return v
}

// add appends a header, or a further value to an inline one. Pseudo-headers go
// in front of the others. (HeaderMapImpl::addCopy)
func (h *headerMap) add(name, value string) {
	name = strings.ToLower(name)
	if h.inline[name] {
		for i := range h.pairs {
			if h.pairs[i].name == name {
				h.pairs[i].value += "," + value
				return
			}
		}
	}
	if !strings.HasPrefix(name, ":") {
		h.pairs = append(h.pairs, pair{name, value})
		return
	}
	at := 0
	for at < len(h.pairs) && strings.HasPrefix(h.pairs[at].name, ":") {
		at++
	}
	h.pairs = append(h.pairs[:at], append([]pair{{name, value}}, h.pairs[at:]...)...)
}

// set removes every header of that name and appends one
// (HeaderMapImpl::setCopy).
func (h *headerMap) set(name, value string) {
	h.remove(name)
	h.add(name, value)
}

func (h *headerMap) remove(name string) {
	name = strings.ToLower(name)
	kept := h.pairs[:0]
	for _, p := range h.pairs {
		if p.name != name {
			kept = append(kept, p)
		}
	}
	clear(h.pairs[len(kept):])
	h.pairs = kept
}

// byteSize is the sum of the lengths of names and values
// (HeaderMapImpl::byteSize).
func (h *headerMap) byteSize() int {
	n := 0
	for _, p := range h.pairs {
		n += len(p.name) + len(p.value)
	}
	return n
}

// size is the number of headers; none for a map that is not there.
func (h *headerMap) size() uint32 {
	if h == nil {
		return 0
	}
	return uint32(len(h.pairs))
}

// code is the number in :status, 0 if there is none.
func (h *headerMap) code() int {
	n, err := strconv.Atoi(h.value(":status"))
	if err != nil || n < 100 || n > 999 {
		return 0
	}
	return n
}

// marshalPairs serialises headers as the ABI wants them (PairsUtil): the
// count, then the lengths, then each name and value with a NUL behind it.
func marshalPairs(pairs []pair) []byte {
	size := 4
	for _, p := range pairs {
		size += 8 + len(p.name) + 1 + len(p.value) + 1
	}
	b := make([]byte, 0, size)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(pairs)))
	for _, p := range pairs {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p.name)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p.value)))
	}
	for _, p := range pairs {
		b = append(append(b, p.name...), 0)
		b = append(append(b, p.value...), 0)
	}
	return b
}

// unmarshalPairs reads what marshalPairs writes. Anything malformed counts as
// an empty list, as in Envoy's host (PairsUtil::toPairs).
func unmarshalPairs(b []byte) []pair {
	if len(b) < 4 || len(b) > maxPairsBytes {
		return nil
	}
	count := uint64(binary.LittleEndian.Uint32(b))
	if count > maxPairs || 4+count*8 > uint64(len(b)) {
		return nil
	}
	sizes, rest := b[4:4+count*8], b[4+count*8:]
	pairs := make([]pair, 0, count)
	for ; len(sizes) > 0; sizes = sizes[8:] {
		name, after, ok := cutString(rest, binary.LittleEndian.Uint32(sizes))
		if !ok {
			return nil
		}
		value, after, ok := cutString(after, binary.LittleEndian.Uint32(sizes[4:]))
		if !ok {
			return nil
		}
		pairs = append(pairs, pair{strings.ToLower(name), value})
		rest = after
	}
	if len(rest) > 0 {
		return nil
	}
	return pairs
}

// cutString takes a string of n bytes and the NUL behind it from b.
func cutString(b []byte, n uint32) (s string, rest []byte, ok bool) {
	if uint64(n)+1 > uint64(len(b)) || b[n] != 0 {
		return "", nil, false
	}
	return string(b[:n]), b[n+1:], true
}
