//go:build !wasip1

package proxywasm

import (
	"testing"

	"pgregory.net/rapid"
)

func TestStreamsBehaveAsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table streams
		model := map[uint32]uint32{}
		id := rapid.OneOf(rapid.Uint32Range(1, 40), rapid.Uint32Range(1, 1<<32-1))
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			id := id.Draw(t, "id")
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				root := rapid.Uint32().Draw(t, "root")
				table.put(stream{id: id, root: root})
				model[id] = root
			case 1:
				if removed := table.remove(id); removed.root != model[id] {
					t.Fatalf("removed %v, want root %d", removed, model[id])
				}
				delete(model, id)
			}
			if table.count != len(model) {
				t.Fatalf("count %d, want %d", table.count, len(model))
			}
		}
		for id, root := range model {
			if entry := table.get(id); entry == nil || entry.root != root {
				t.Fatalf("stream %d is %v, want root %d", id, entry, root)
			}
		}
	})
}

func TestStreamsDoNotGrowAsTheyComeAndGo(t *testing.T) {
	var table streams
	for id := uint32(1); id < 100_000; id++ {
		table.put(stream{id: id})
		if id > 30 {
			table.remove(id - 30)
		}
	}
	if len(table.places) != 64 {
		t.Errorf("30 streams at a time took %d places", len(table.places))
	}
}
