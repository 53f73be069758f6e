//go:build !wasip1

package proxywasm

import (
	"bytes"
	"testing"
	"unsafe"
)

func TestAllocateZeroGivesAnAddressAndTakesNothing(t *testing.T) {
	m := memory{arena: make([]byte, 64)}
	for range 1000 {
		if m.allocate(0) == nil {
			t.Fatal("no address")
		}
	}
	if m.used != 0 || len(m.blocks) != 0 {
		t.Fatalf("took %d bytes and %d blocks", m.used, len(m.blocks))
	}
}

func TestAllocateZeroWhenTheArenaIsFull(t *testing.T) {
	m := memory{arena: make([]byte, 64)}
	m.allocate(63)
	if m.allocate(0) == nil {
		t.Fatal("no address")
	}
}

func TestAllocatedBlocksDoNotOverlap(t *testing.T) {
	m := memory{arena: make([]byte, 1024)}
	var blocks [][]byte
	for i := range 200 {
		size := uint32(i * 7 % 90)
		block := unsafe.Slice((*byte)(m.allocate(size)), size)
		for j := range block {
			block[j] = byte(i)
		}
		blocks = append(blocks, block)
	}
	for i, block := range blocks {
		if !bytes.Equal(block, bytes.Repeat([]byte{byte(i)}, len(block))) {
			t.Fatalf("block %d was overwritten", i)
		}
	}
}

func TestAllocateRefusesMoreThanMaxBlock(t *testing.T) {
	m := memory{arena: make([]byte, 64)}
	for _, size := range []uint32{MaxBlock + 1, 1 << 31, 1<<32 - 1} {
		if m.allocate(size) != nil {
			t.Errorf("%d bytes were given", size)
		}
	}
}

func TestResetGivesBackAll(t *testing.T) {
	m := memory{arena: make([]byte, 64)}
	first := m.allocate(8)
	m.allocate(1000)
	m.reset()
	if len(m.blocks) != 0 || m.allocate(8) != first {
		t.Fatal("memory was kept")
	}
}

// A wasm address has 32 bits, a native one has more: view is given its lower half, as in wasm.
func TestViewsAreOnlyWhatWasAllocated(t *testing.T) {
	m := memory{arena: make([]byte, 64)}
	arena := m.allocate(10)
	block := m.allocate(100)
	address := func(at unsafe.Pointer) uint32 { return uint32(uintptr(at)) }
	for _, test := range []struct {
		name          string
		address, size uint32
		ok            bool
	}{
		{"in the arena", address(arena), 10, true},
		{"in a block", address(block), 100, true},
		{"inside a block", address(block) + 50, 50, true},
		{"past the arena", address(arena) + 60, 10, false},
		{"past a block", address(block) + 50, 60, false},
		{"before the arena", address(arena) - 1, 4, false},
		{"larger than memory", address(arena), 1<<32 - 1, false},
		{"empty, anywhere", 12345, 0, true},
	} {
		if view, ok := m.view(test.address, test.size); ok != test.ok || ok && len(view) != int(test.size) {
			t.Errorf("%s: ok %v, %d bytes", test.name, ok, len(view))
		}
	}
}

func TestKeptBlocksOutliveTheCallback(t *testing.T) {
	m := memory{arena: make([]byte, 64)}
	place := func(text string) []byte {
		view := unsafe.Slice((*byte)(m.allocate(uint32(len(text)))), len(text))
		copy(view, text)
		return view
	}
	m.allocate(1000)
	m.keeping = true
	first, second := place("first"), place("second, and longer")
	m.keeping = false
	other := place("in the arena")
	kept := []string{m.keep(first), m.keep(second), m.keep(other), m.keep(nil)}
	m.spoil()
	m.reset()
	for i, want := range []string{"first", "second, and longer", "in the arena", ""} {
		if kept[i] != want {
			t.Errorf("%q became %q", want, kept[i])
		}
	}
	if unsafe.StringData(kept[1]) != unsafe.SliceData(second) {
		t.Error("a whole block was copied")
	}
}
