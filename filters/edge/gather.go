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

// gather is the usage and the log of all VMs of the process that is in no
// batch yet.
type gather struct {
	counts   map[kind]uint64
	requests []wire.Request
	text     int // bytes that requests keep
	dropped  uint64
	logged   map[partnerSecond]int
}

// partnerSecond is one partner's second, for the rate of the log.
type partnerSecond struct {
	partner string
	second  int64
}

func (g *gather) init() {
	g.counts = map[kind]uint64{}
	g.logged = map[partnerSecond]int{}
}

func (g *gather) empty() bool {
	return len(g.counts) == 0 && len(g.requests) == 0 && g.dropped == 0
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
	k := kind{u.Minute, u.Partner, u.Application, u.Product, u.Environment, u.Operation, u.Outcome}
	if n, ok := g.counts[k]; ok {
		g.counts[k] = n + u.Count
		return
	}
	if len(g.counts) >= maxKinds {
		k.operation, k.application = "", ""
		if _, ok := g.counts[k]; !ok && len(g.counts) >= 2*maxKinds {
			count("partnergate_usage_lost", u.Count)
			return
		}
	}
	for _, text := range [...]*string{&k.partner, &k.application, &k.product, &k.environment, &k.operation, &k.outcome} {
		*text = strings.Clone(*text)
	}
	g.counts[k] += u.Count
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
	g.requests = append(g.requests, *r)
	return true
}

// fill puts all into a batch.
func (g *gather) fill(m *wire.Sync) {
	for k, n := range g.counts {
		if len(m.Usage) == wire.MaxUsage {
			break
		}
		m.Usage = append(m.Usage, wire.Usage{
			Minute: k.minute, Partner: k.partner, Application: k.application, Product: k.product,
			Environment: k.environment, Operation: k.operation, Outcome: k.outcome, Count: n,
		})
	}
	m.Requests, m.Dropped = g.requests, g.dropped
}

// sent lets go of what the last fill put into a batch that is safe.
func (g *gather) sent() {
	if g.dropped > 0 {
		count("partnergate_log_dropped", g.dropped)
	}
	clear(g.counts)
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
