package edge

import (
	"strconv"

	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// While a batch is not acknowledged, what is gathered behind it would be lost
// with the leader's VM. So the leader keeps it in shared data too: each shard
// of the usage under a key of its own, whole, as a wire.Sync behind the sequence
// of the batch that it is gathered behind (8 bytes). The next batch takes
// another sequence, which makes worthless what was kept in the same
// compare-and-swap that keeps the batch: nothing counts twice. The log is not
// kept, but how much of it there is.
const (
	keptHead = 8
	// keepAtOnce is how many shards are written on one tick; all in less than a second.
	keepAtOnce = 8
)

func (e *Edge) keptKey(shard int) string {
	return e.namespace + "gathered/" + strconv.Itoa(shard)
}

// keepSome writes some of the shards that changed, while a batch is under way.
func (l *leader) keepSome() {
	if l.sync.batch == "" || l.gather.kinds == 0 || !l.edge.leads() {
		return
	}
	g, left := &l.gather, keepAtOnce
	for i := 0; i < len(g.shards) && left > 0; i++ {
		if g.shards[i].changed {
			l.keep(i)
			left--
		}
	}
}

func (l *leader) keep(i int) {
	s := &l.gather.shards[i]
	m := wire.Sync{Usage: make([]wire.Usage, 0, len(s.counts))}
	for k, t := range s.counts {
		m.Usage = append(m.Usage, k.usage(t.count))
	}
	if i == 0 {
		m.Dropped = l.gather.dropped + uint64(len(l.gather.requests))
	}
	value := make([]byte, keptHead, 1<<10)
	writeInt64(value, int64(l.sync.sequence))
	if putShared(l.edge.keptKey(i), m.Append(value)) != nil {
		return // again on the next tick
	}
	s.changed, s.kept = false, true
	for _, t := range s.counts {
		t.kept = t.count
	}
}

// recall takes in what the leader before had gathered behind a batch.
func (l *leader) recall(sequence uint64) {
	for i := range l.gather.shards {
		value, _, err := sharedValue(l.edge.keptKey(i))
		if err != nil || len(value) <= keptHead || uint64(readInt64(value)) != sequence {
			continue
		}
		m, err := wire.ParseSync(proxywasm.ViewString(value[keptHead:]))
		if err != nil {
			continue
		}
		l.gather.recall(i, &m)
	}
}

// recall adds a shard that is kept.
func (g *gather) recall(shard int, m *wire.Sync) {
	s := &g.shards[shard]
	for i := range m.Usage {
		k := kindOf(&m.Usage[i])
		t, n := s.counts[k], m.Usage[i].Count
		switch {
		case t != nil:
		case g.kinds >= 2*maxKinds:
			count("partnergate_usage_lost", n) // else the manager would refuse the batch, and all were lost
			continue
		default:
			k.clone()
			t = &tally{}
			s.counts[k] = t
			g.kinds++
		}
		t.count += n
		t.kept += n
	}
	g.dropped += m.Dropped
	s.kept = true
}

// letGo empties what a batch has made worthless.
func (l *leader) letGo() {
	for i := range l.gather.shards {
		if s := &l.gather.shards[i]; s.kept {
			s.kept = false
			_ = putShared(l.edge.keptKey(i), nil) // it only takes room
		}
	}
}

// unkept is what the next leader does not find in shared data. Where some is
// kept, the log counts as dropped there.
func (g *gather) unkept(m *wire.Sync) {
	for i := range g.shards {
		for k, t := range g.shards[i].counts {
			if t.count > t.kept {
				m.Usage = append(m.Usage, k.usage(t.count-t.kept))
			}
		}
	}
	if !g.shards[0].kept {
		m.Requests = g.requests
	}
}
