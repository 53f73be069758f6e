package edge

import (
	"strings"

	"github.com/partnergate/partnergate/filters/wire"
)

// Bounds of what a leader keeps while the manager is away. Beyond maxKinds
// usage is kept without operation and application; beyond twice that it is lost, and counted as such.
const (
	maxKinds    = 10_000
	maxKeptLogs = 10_000
	maxKeptText = 4 << 20
)

// kind is what usage is counted by.
type kind struct {
	minute                                                         int64
	partner, application, product, environment, operation, outcome string
}

// kindOf is a row's kind; its texts are the row's.
func kindOf(u *wire.Usage) kind {
	return kind{u.Minute, u.Partner, u.Application, u.Product, u.Environment, u.Operation, u.Outcome}
}

// clone makes the texts the kind's own.
func (k *kind) clone() {
	for _, text := range [...]*string{&k.partner, &k.application, &k.product, &k.environment, &k.operation, &k.outcome} {
		*text = strings.Clone(*text)
	}
}

func (k *kind) usage(n uint64) wire.Usage {
	return wire.Usage{
		Minute: k.minute, Partner: k.partner, Application: k.application, Product: k.product,
		Environment: k.environment, Operation: k.operation, Outcome: k.outcome, Count: n,
	}
}

// gather is the usage and the log of all VMs of the process that is in no
// batch yet. Usage is split, so that what changed can be kept in steps.
type gather struct {
	shards   [gatherShards]gatherShard
	kinds    int // in all shards
	requests []wire.Request
	text     int // bytes that requests keep
	dropped  uint64
	logged   map[partnerSecond]int
}

const gatherShards = 64

type gatherShard struct {
	counts  map[kind]*tally
	changed bool // since it was kept
	kept    bool // in shared data
}

// tally is how many requests of a kind were counted, and how many of them are
// safe in shared data. It is changed in place: to assign to a key that a map has
// already puts the texts of the new key there, and those are views.
type tally struct{ count, kept uint64 }

// shard is where a kind is counted.
func (g *gather) shard(k *kind) *gatherShard {
	h := hashString(hashString(uint64(k.minute), k.partner), k.operation)
	return &g.shards[(h^h>>32)%gatherShards]
}

// partnerSecond is one partner's second, for the rate of the log.
type partnerSecond struct {
	partner string
	second  int64
}

func (g *gather) init() {
	for i := range g.shards {
		g.shards[i].counts = map[kind]*tally{}
	}
	g.logged = map[partnerSecond]int{}
}

func (g *gather) empty() bool {
	return g.kinds == 0 && len(g.requests) == 0 && g.dropped == 0
}

// add takes a VM's flush in; its reports name the ledgers that were used.
func (g *gather) add(body string, s *syncing) {
	body = strings.Clone(body) // the log keeps views of it
	batch, err := wire.ParseSync(body)
	if err != nil {
		return
	}
	for _, r := range batch.Reports {
		s.touch(r.ID)
	}
	for i := range batch.Usage {
		g.addUsage(&batch.Usage[i])
	}
	g.dropped += batch.Dropped
	kept := 0
	for i := range batch.Requests {
		if g.addRequest(&batch.Requests[i]) {
			kept++
		}
	}
	if kept > 0 {
		g.text += len(body)
	}
}

func (g *gather) addUsage(u *wire.Usage) {
	k := kindOf(u)
	if g.raise(&k, u.Count) {
		return
	}
	if g.kinds >= maxKinds {
		k.operation, k.application = "", ""
		if g.raise(&k, u.Count) {
			return
		}
	}
	if g.kinds >= 2*maxKinds {
		count("partnergate_usage_lost", u.Count)
		return
	}
	k.clone()
	s := g.shard(&k)
	s.counts[k], s.changed = &tally{count: u.Count}, true
	g.kinds++
}

// raise counts more of a kind that was counted before.
func (g *gather) raise(k *kind, n uint64) (known bool) {
	s := g.shard(k)
	t, known := s.counts[*k]
	if known {
		t.count += n
		s.changed = true
	}
	return known
}

// addRequest keeps a logged request, as long as its partner has not too many
// in that second, in the whole process.
func (g *gather) addRequest(r *wire.Request) bool {
	at := partnerSecond{r.Partner, r.Time / 1000}
	if g.logged[at] >= logRate || len(g.requests) >= maxKeptLogs || g.text >= maxKeptText {
		g.dropped++
		return false
	}
	at.partner = strings.Clone(at.partner)
	g.logged[at]++
	g.shards[0].changed = true // where the length of the log is kept
	g.requests = append(g.requests, *r)
	return true
}

// fill puts all into a batch.
func (g *gather) fill(m *wire.Sync) {
	for i := range g.shards {
		for k, t := range g.shards[i].counts {
			m.Usage = append(m.Usage, k.usage(t.count)) // at most 2*maxKinds, which is wire.MaxUsage
		}
	}
	m.Requests, m.Dropped = g.requests, g.dropped
}

// sent lets go of what the last fill put into a batch that is safe.
func (g *gather) sent() {
	if g.dropped > 0 {
		count("partnergate_log_dropped", g.dropped)
	}
	for i := range g.shards {
		clear(g.shards[i].counts)
		g.shards[i].changed = false
	}
	g.kinds = 0
	latest := int64(0)
	for i := range g.requests {
		latest = max(latest, g.requests[i].Time/1000)
	}
	for at := range g.logged {
		if at.second < latest-2 {
			delete(g.logged, at)
		}
	}
	g.requests, g.text, g.dropped = nil, 0, 0
}
