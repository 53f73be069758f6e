//go:build !wasip1

package edge

import (
	"testing"

	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// TestGatherKeepsNoViews counts one kind in every way, from bytes that are
// another's afterwards.
func TestGatherKeepsNoViews(t *testing.T) {
	raw := []byte("acme")
	row := wire.Usage{Minute: 1, Partner: proxywasm.ViewString(raw), Count: 1}
	flush := func(g *gather) { g.addUsage(&row) }
	recall := func(g *gather) {
		k := kindOf(&row)
		for i := range g.shards {
			if &g.shards[i] == g.shard(&k) {
				g.recall(i, &wire.Sync{Usage: []wire.Usage{row}})
			}
		}
	}
	for name, ways := range map[string][2]func(*gather){
		"two flushes": {flush, flush}, "a flush, then recall": {flush, recall}, "recall, then a flush": {recall, flush},
	} {
		t.Run(name, func(t *testing.T) {
			g, m := gather{}, wire.Sync{}
			g.init()
			copy(raw, "acme")
			ways[0](&g)
			ways[1](&g)
			copy(raw, "!!!!")
			g.fill(&m)
			if len(m.Usage) != 1 || m.Usage[0].Partner != "acme" || m.Usage[0].Count != 2 {
				t.Errorf("%+v", m.Usage)
			}
		})
	}
}
