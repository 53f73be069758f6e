package proxywasm

import "unsafe"

// MaxBlock is the largest block, in bytes, that a host may place in the VM at once. It bounds what a
// host's answer can take: what does not fit fails with ErrInvalidMemory instead of ending the VM.
const MaxBlock = 32 << 20

// arenaSize holds what one request brings: Envoy's headers are at most 60 kB by default.
const arenaSize = 128 << 10

// memory is where hosts write what they return: one arena, filled from its start, and blocks of the
// Go heap for what does not fit. Both are given back when the outermost callback returns.
type memory struct {
	arena  []byte
	used   int
	blocks [][]byte
	// keeping says that what the host is asked for now outlives the callback: it
	// gets a block of just its size, so that taking it over needs no copy.
	keeping bool
}

// allocate returns size bytes for the host, or nil if size exceeds MaxBlock. Size 0 gives a valid
// address and takes nothing.
func (m *memory) allocate(size uint32) unsafe.Pointer {
	if size > MaxBlock {
		return nil
	}
	if m.keeping && size > 0 {
		block := make([]byte, size)
		m.blocks = append(m.blocks, block)
		return unsafe.Pointer(unsafe.SliceData(block))
	}
	if free := len(m.arena) - m.used; int(size) >= free {
		block := make([]byte, size+1)
		m.blocks = append(m.blocks, block)
		return unsafe.Pointer(unsafe.SliceData(block))
	}
	at := m.used
	m.used += (int(size) + 7) &^ 7
	if m.used > len(m.arena) {
		m.used = len(m.arena)
	}
	return unsafe.Pointer(&m.arena[at])
}

// view returns the bytes that the host placed at address. It reports false if allocate did not give
// out all of them: a host's address is never trusted.
func (m *memory) view(address, size uint32) ([]byte, bool) {
	if size == 0 {
		return nil, true
	}
	if view, ok := within(m.arena, address, size); ok {
		return view, true
	}
	for i := len(m.blocks) - 1; i >= 0; i-- {
		if view, ok := within(m.blocks[i], address, size); ok {
			return view, true
		}
	}
	return nil, false
}

// keep makes a view of a whole block a string that nobody writes to any more.
func (m *memory) keep(view []byte) string {
	for i := len(m.blocks) - 1; i >= 0; i-- {
		if block := m.blocks[i]; len(view) == len(block) && unsafe.SliceData(view) == unsafe.SliceData(block) {
			m.blocks[i] = m.blocks[len(m.blocks)-1]
			m.blocks[len(m.blocks)-1] = nil
			m.blocks = m.blocks[:len(m.blocks)-1]
			return ViewString(block)
		}
	}
	return string(view)
}

// within returns the size bytes at address if they lie in block.
func within(block []byte, address, size uint32) ([]byte, bool) {
	base := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(block))))
	if address < base {
		return nil, false
	}
	from := uint64(address - base)
	to := from + uint64(size)
	if to > uint64(len(block)) {
		return nil, false
	}
	return block[from:to:to], true
}

// reset gives back all that was allocated since the last reset.
func (m *memory) reset() {
	if spoilViews {
		m.spoil()
	}
	m.used = 0
	if len(m.blocks) > 0 {
		clear(m.blocks)
		m.blocks = m.blocks[:0]
	}
}

// spoil overwrites all that was allocated.
func (m *memory) spoil() {
	spoilt := m.arena[:m.used]
	for i := range spoilt {
		spoilt[i] = '!'
	}
	for _, block := range m.blocks {
		for i := range block {
			block[i] = '!'
		}
	}
}

// ViewString returns the bytes as a string, without a copy. The string changes with the bytes.
func ViewString(view []byte) string {
	return unsafe.String(unsafe.SliceData(view), len(view))
}

// ViewBytes returns the string's bytes, without a copy. They must not be written to.
func ViewBytes(view string) []byte {
	return unsafe.Slice(unsafe.StringData(view), len(view))
}
