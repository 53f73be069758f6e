package edge

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// vmHeard is how long after its last message a VM counts as living, milliseconds.
const vmHeard = 5000

// leader is the work of the one VM of a process that talks to the manager.
type leader struct {
	edge    *Edge
	watch   watch
	sync    syncing
	gather  gather
	vms     map[[16]byte]*vm
	ledgers directory
	lost    lost
	version byte   // of the messages that are spoken with the manager
	calls   uint64 // so far
	ticked  int64  // when, last
}

// vm is a VM of this process.
type vm struct {
	wake    uint32
	version uint64
	heard   int64
	waits   bool // streams of it wait for a lease
}

func newLeader(e *Edge, now int64) *leader {
	l := &leader{edge: e, version: wire.Version, vms: map[[16]byte]*vm{}}
	l.watch.call = call{path: wire.WatchPath, timeout: 35_000}
	l.watch.parts = call{path: wire.PartsPath, timeout: 20_000}
	l.sync.call = call{path: wire.SyncPath, timeout: 5_000}
	l.gather.init()
	l.ledgers.read(e)
	l.sync.touched = l.ledgers.all()
	l.sync.due = now
	return l
}

// tick does what is due.
func (l *leader) tick(now int64) {
	if now < l.ticked {
		l.setBack(now)
	}
	l.ticked = now
	l.receive(now)
	l.watchDue(now)
	l.syncDue(now)
	l.keepSome()
	l.freeLost(now)
	l.gauges(now)
}

// setBack makes due what was put off until a time by a clock that has been set
// back since.
func (l *leader) setBack(now int64) {
	for _, c := range [...]*call{&l.watch.call, &l.watch.parts, &l.sync.call} {
		c.next = min(c.next, now+retryMost)
	}
	l.sync.due, l.sync.last = min(l.sync.due, now+syncCalm), min(l.sync.last, now)
	for _, v := range l.vms {
		v.heard = min(v.heard, now)
	}
	for id := range l.ledgers.ids {
		_ = updateShared(l.edge.ledgers.prefix+id, func(value []byte) ([]byte, bool) {
			return value, policy.Ledger(value).SetBack(now)
		}) // else its rate gives nothing until the clock is where it was
	}
	if s := l.edge.replica.state; s.contact > now {
		l.edge.noteContact(now)
	}
}

func (l *leader) gauges(now int64) {
	if s := l.edge.replica.state; s.contact > 0 {
		gauge("partnergate_policy_age_seconds", uint64(max(now-s.contact, 0)/1000))
	}
}

// receive takes all messages of VMs.
func (l *leader) receive(now int64) {
	for {
		raw, err := proxywasm.DequeueSharedQueue(l.edge.leaderQueue)
		if err != nil {
			break
		}
		if m, ok := parseMessage(raw); ok {
			l.take(&m, now)
		}
	}
	l.syncDue(now)
}

func (l *leader) take(m *message, now int64) {
	v := l.vms[m.nonce]
	if v == nil {
		v = &vm{}
		l.vms[m.nonce] = v
	}
	l.lost.heard(m.nonce)
	before := v.version
	v.wake, v.version, v.heard = m.wake, m.version, now
	if v.version != before {
		l.versionsChanged(now)
	}
	switch m.kind {
	case messageFlush:
		l.gather.add(m.body, &l.sync)
	case messageWant:
		v.waits = true
		l.sync.want(m.body, now)
		if l.edge.replica.state.away {
			l.wakeWaiting(wakeAway)
		}
	}
}

// lowestVersion is that by which the slowest living VM decides.
func (l *leader) lowestVersion(now int64) uint64 {
	lowest := l.edge.replica.version()
	for nonce, v := range l.vms {
		if now-v.heard > vmHeard {
			delete(l.vms, nonce)
		} else if v.version < lowest {
			lowest = v.version
		}
	}
	return lowest
}

// versionsChanged tells the manager at once when every VM has swapped.
func (l *leader) versionsChanged(now int64) {
	if lowest := l.lowestVersion(now); lowest > l.sync.toldVersion && lowest == l.edge.replica.version() {
		l.sync.hurry(now)
	}
}

// wakeAll makes every VM look for a new policy.
func (l *leader) wakeAll() {
	for _, v := range l.vms {
		l.wake(v, wakeLook)
	}
}

// wakeWaiting wakes the VMs where streams wait for a lease.
func (l *leader) wakeWaiting(how byte) {
	for _, v := range l.vms {
		if v.waits {
			v.waits = false
			l.wake(v, how)
		}
	}
}

func (l *leader) wake(v *vm, how byte) {
	_ = proxywasm.EnqueueSharedQueue(v.wake, []byte{how}) // a VM that is gone needs none; others look on their tick
}
