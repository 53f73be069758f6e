package edge

import (
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// Tick periods in milliseconds: in calm, while streams wait for a lease, and
// while a policy is being loaded.
const (
	calmTick    = 100
	waitingTick = 50
	loadingTick = 10
)

// Edge is what the plugins of one VM share that have the same manager. One of
// them, the owner, lends it its ticks and queues.
type Edge struct {
	manager   Manager
	namespace string
	plugins   []*Plugin // the first is the owner
	keys      keys

	nonce      [16]byte // of this VM
	holder     uint64   // under which it holds concurrency slots; never 0
	registered bool     // as that holder
	proxy      wire.ProxyID
	joined     bool // queues are registered, the proxy's id is known
	firstTick  int64
	period     uint32
	streams    uint64 // seen by this VM

	wakeQueue   uint32
	leaderQueue uint32 // 0 until some leader registered it

	election election
	replica  replica
	ledgers  ledgers
	waiting  waiting
	usage    usage
	leader   *leader // nil unless this VM leads
	lacking  map[need]bool
}

// keys are the fixed keys in shared data.
type keys struct {
	proxy, leader, state, batch, directory, holders string
	manifest                                        [2]string
}

// edges are those of this VM.
var edges []*Edge

// attach finds the edge of the plugin's manager, or makes it. A VM that is new
// in an old process has a policy at once: it is in shared data.
func attach(p *Plugin) *Edge {
	for _, e := range edges {
		if e.manager == p.config.Manager {
			e.plugins = append(e.plugins, p)
			e.bootstrap(p)
			return e
		}
	}
	e := newEdge(p.config.Manager)
	edges = append(edges, e)
	e.plugins = append(e.plugins, p)
	if _, _, err := sharedValue(e.keys.state); err != nil {
		e.lacks(needSharedData, err)
	}
	e.replica.catchUp(now())
	e.bootstrap(p)
	e.setPeriod(calmTick)
	return e
}

func newEdge(m Manager) *Edge {
	e := &Edge{manager: m, namespace: m.namespace(), nonce: newNonce(), holder: newHolder()}
	n := e.namespace
	e.keys = keys{
		proxy: n + "proxy", leader: n + "leader", state: n + "state", batch: n + "batch", directory: n + "ledgers", holders: n + "holders",
		manifest: [2]string{n + "manifest/0", n + "manifest/1"},
	}
	e.replica.edge, e.waiting.edge, e.usage.edge = e, e, e
	e.ledgers.prefix = n + "ledger/"
	return e
}

func newNonce() (nonce [16]byte) {
	writeInt64(nonce[:], int64(rand.Uint64()))
	writeInt64(nonce[8:], int64(rand.Uint64()))
	return nonce
}

// detach takes a plugin out. When it was the owner, the next one is.
func (e *Edge) detach(p *Plugin) {
	for i, other := range e.plugins {
		if other != p {
			continue
		}
		e.plugins = append(e.plugins[:i], e.plugins[i+1:]...)
		if i == 0 {
			e.handOver()
		}
		return
	}
}

// handOver starts the ticks of the new owner, which registers the queues anew.
// Calls under way were the old owner's: they are not answered any more.
func (e *Edge) handOver() {
	e.resign()
	e.joined, e.period = false, 0
	if len(e.plugins) > 0 {
		e.setPeriod(calmTick)
	} else {
		e.deregister()
	}
}

func (e *Edge) ownedBy(p *Plugin) bool { return len(e.plugins) > 0 && e.plugins[0] == p }

// setPeriod sets the period of the owner's ticks, whatever context is active.
func (e *Edge) setPeriod(milliseconds uint32) {
	if e.period == milliseconds || len(e.plugins) == 0 {
		return
	}
	if err := e.asOwner(); errors.Is(err, proxywasm.ErrUnimplemented) {
		e.lacks(needContexts, err)
		return
	} else if err != nil {
		return
	}
	if err := proxywasm.SetTickPeriodMilliSeconds(milliseconds); err != nil {
		e.lacks(needTicks, err)
	}
	e.period = milliseconds
}

// asOwner makes the host functions that follow act for the owner.
func (e *Edge) asOwner() error { return proxywasm.SetEffectiveContext(e.plugins[0].contextID) }

// tick does what is due. It runs in the owner's context.
func (e *Edge) tick() {
	now := now()
	if e.firstTick == 0 {
		e.firstTick = now
	}
	e.join()
	e.elect(now)
	e.replica.goOn(now)
	e.waiting.retry(now, false)
	e.usage.flushDue(now)
	if e.leader != nil {
		e.leader.tick(now)
	}
	e.choosePeriod()
}

func (e *Edge) choosePeriod() {
	switch {
	case e.replica.loading != nil || e.leader != nil && e.leader.watch.busy():
		e.setPeriod(loadingTick)
	case len(e.waiting.streams) > 0:
		e.setPeriod(waitingTick)
	default:
		e.setPeriod(calmTick)
	}
}

// join makes this VM one of the process's: it learns the proxy's id and
// registers the queue by which it is woken.
func (e *Edge) join() {
	if e.joined {
		return
	}
	id, err := e.wakeID()
	if err != nil {
		e.lacks(needQueues, err)
		return
	}
	e.wakeQueue, e.proxy, e.joined = id, e.proxyID(), true
	e.register()
}

func (e *Edge) wakeID() (uint32, error) {
	return proxywasm.RegisterSharedQueue(e.namespace + "wake/" + hex(e.nonce[:]))
}

// propertyNode is the path of the host's node id. Envoy 1.40 has it below xds only.
var propertyNode = proxywasm.Path("xds", "node", "id")

// maxNode bounds a node id.
const maxNode = 255

// proxyID is the node's id and a nonce that the first VM of the process made.
func (e *Edge) proxyID() wire.ProxyID {
	node, _ := proxywasm.GetPropertyString(propertyNode) // a host without one has an empty one
	id := wire.ProxyID{Node: strings.Clone(cut(node, maxNode)), Nonce: e.nonce}
	err := updateShared(e.keys.proxy, func(value []byte) ([]byte, bool) {
		if len(value) == len(id.Nonce) {
			copy(id.Nonce[:], value)
			return nil, false
		}
		return e.nonce[:], true
	})
	if err != nil {
		e.lacks(needSharedData, err)
	}
	return id
}
