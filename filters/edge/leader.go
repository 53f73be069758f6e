package edge

import (
	"errors"
	"math/rand/v2"
	"strings"

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

// call is one kind of call to the manager; one at a time is under way.
type call struct {
	path    string
	timeout uint32 // milliseconds
	out     bool
	since   int64
	next    int64 // not before
	fails   int
	status  string // of the last answer; empty where there was none
	refused string // what the manager's refusal named; empty where it was none of its
	id      string // of the last call
}

// The most that is waited after the first failed call, and after many,
// milliseconds; a quarter of it is the least.
const (
	retryFirst = 600
	retryMost  = 2000
)

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

// send makes a call. answered gets the body of a good answer, a view; failed
// gets why there is none.
func (l *leader) send(c *call, body []byte, now int64, answered func(body string, now int64), failed func(why string, now int64)) {
	m := &l.edge.manager
	c.id = l.nextID()
	headers := [][2]string{
		{":method", "POST"}, {":path", c.path}, {":authority", m.Authority}, {":scheme", "http"},
		{"content-type", "application/octet-stream"}, {"authorization", "Bearer " + m.Token},
		{"x-request-id", c.id},
		// To Envoy: where a manager cannot be connected to, try again, which may pick another one.
		{"x-envoy-retry-on", "connect-failure"}, {"x-envoy-max-retries", "5"},
	}
	c.out, c.since = true, now
	since := now
	_, err := proxywasm.DispatchHttpCall(m.Cluster, headers, l.inVersion(body), nil, c.timeout, func(_, bodySize, _ int) {
		if l.edge.leader != l || !c.out || c.since != since {
			return // another leads now, or the call was given up
		}
		c.out = false
		now := nowMillis()
		status, why := checkAnswer(bodySize)
		c.status, c.refused = strings.Clone(status), ""
		if why != "" {
			refused, _ := proxywasm.GetHttpCallResponseHeader(wire.VersionHeader)
			c.refused = strings.Clone(refused)
			l.speak(refused)
			failed(why, now)
			return
		}
		raw, err := proxywasm.GetHttpCallResponseBody(0, wire.MaxMessage)
		if err != nil && bodySize > 0 {
			failed("the answer's body cannot be read: "+err.Error(), now)
			return
		}
		answered(proxywasm.ViewString(raw), now)
	})
	if errors.Is(err, proxywasm.ErrUnimplemented) {
		l.edge.lacks(needCalls, err)
	}
	if err != nil {
		c.out, c.status, c.refused = false, "", ""
		failed("the host did not make the call to cluster "+m.Cluster+": "+err.Error(), now)
	}
}

// nowMillis is now, where a parameter has that name.
func nowMillis() int64 { return now() }

// checkAnswer looks at the head of an answer; empty where it is good.
func checkAnswer(bodySize int) (status, why string) {
	status, err := proxywasm.GetHttpCallResponseHeader(":status")
	switch {
	case err != nil || status == "":
		countReason("partnergate_manager_refused", "unreachable")
		return "", "there was no answer"
	case status != "200":
		return status, refusedBy(status)
	case bodySize > wire.MaxMessage:
		countReason("partnergate_manager_refused", "too_large")
		return status, "the answer is too large"
	}
	if contentType, _ := proxywasm.GetHttpCallResponseHeader("content-type"); contentType != "application/octet-stream" {
		countReason("partnergate_manager_refused", "foreign")
		return status, "the answer is not the manager's: its content-type is " + contentType
	}
	return status, ""
}

// ready reports whether the call may be made now. A call that the host never
// answered is given up.
func (c *call) ready(now int64) bool {
	if c.out && now-c.since > int64(c.timeout)+retryMost {
		c.out = false
	}
	return !c.out && now >= c.next
}

// failed puts the next try off: longer each time, and by chance, so that
// proxies do not come all at once.
func (c *call) failed(now int64) {
	most := int64(min(retryFirst<<min(c.fails, 4), retryMost))
	c.fails++
	c.next = now + most/4 + rand.Int64N(most-most/4)
}

func (c *call) succeeded(now int64) { c.fails, c.next = 0, now }
