package edge

import (
	"errors"

	"github.com/partnergate/partnergate/filters/proxywasm"
)

// What VMs say to the leader through its queue. Each message begins with its
// kind (1 byte), the VM's nonce (16), its wake queue (4) and the version of the
// policy that it decides by (8).
const (
	messageVersion byte = iota + 1 // nothing follows
	messageFlush                   // a wire.Sync follows: usage, log; its reports name the ledgers that were used
	messageWant                    // a wire.Sync follows: its reports name the buckets that requests wait for
)

// What the leader says to a VM through its wake queue, in one byte.
const (
	wakeLook byte = iota + 1 // there is a policy or a grant: look
	wakeAway                 // the manager does not answer
)

const messageHead = 1 + 16 + 4 + 8

// message is one, read.
type message struct {
	kind    byte
	nonce   [16]byte
	wake    uint32
	version uint64
	body    string // a view
}

func (e *Edge) appendMessage(b []byte, kind byte) []byte {
	var head [12]byte
	w := e.wakeQueue
	head[0], head[1], head[2], head[3] = byte(w), byte(w>>8), byte(w>>16), byte(w>>24)
	writeInt64(head[4:], int64(e.replica.version()))
	b = append(append(b, kind), e.nonce[:]...)
	return append(b, head[:]...)
}

func parseMessage(raw []byte) (m message, ok bool) {
	if len(raw) < messageHead {
		return message{}, false
	}
	m.kind = raw[0]
	copy(m.nonce[:], raw[1:])
	m.wake = uint32(raw[17]) | uint32(raw[18])<<8 | uint32(raw[19])<<16 | uint32(raw[20])<<24
	m.version = uint64(readInt64(raw[21:]))
	m.body = proxywasm.ViewString(raw[messageHead:])
	return m, true
}

var errNoLeader = errors.New("edge: there is no leader yet")

// sendToLeader puts a message into the leader's queue.
func (e *Edge) sendToLeader(message []byte) error {
	if e.leaderQueue == 0 {
		id, err := proxywasm.ResolveSharedQueue("", e.namespace+"leader")
		if err != nil {
			return errNoLeader
		}
		e.leaderQueue = id
	}
	return proxywasm.EnqueueSharedQueue(e.leaderQueue, message)
}

// sendVersion tells the leader at once by which policy this VM decides.
func (e *Edge) sendVersion() {
	if !e.election.alive(now()) {
		return
	}
	_ = e.sendToLeader(e.appendMessage(nil, messageVersion)) // the next flush says it too
}

// receive takes what is in one of the queues that this VM registered.
func (e *Edge) receive(queue uint32) {
	now := now()
	if queue == e.wakeQueue {
		e.woken(now)
		return
	}
	if e.leader != nil && queue == e.leaderQueue {
		e.leader.receive(now)
	}
}

// woken looks for a new policy and for grants that streams wait for.
func (e *Edge) woken(now int64) {
	away := false
	for {
		raw, err := proxywasm.DequeueSharedQueue(e.wakeQueue)
		if err != nil {
			break
		}
		away = len(raw) == 1 && raw[0] == wakeAway
	}
	e.replica.goOn(now)
	e.waiting.retry(now, away)
	e.choosePeriod()
}
