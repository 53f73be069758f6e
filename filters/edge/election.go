package edge

import (
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

const (
	// heartbeatEvery is how often a leader says that it is there, and
	// heartbeatLost how long after the last time it counts as gone; milliseconds.
	heartbeatEvery = 500
	heartbeatLost  = 3000

	claimSize  = 16 + 8 + 1
	claimAt    = 16
	claimServe = 24
)

// election is what a VM knows of its process's leader.
type election struct {
	heartbeat int64 // of the leader, Unix milliseconds; 0 where there never was one
}

// alive reports whether somebody will take what is sent to the leader.
func (el *election) alive(now int64) bool {
	return el.heartbeat != 0 && now-el.heartbeat <= heartbeatLost
}

// elect keeps up this VM's leadership, or claims it where nobody leads.
func (e *Edge) elect(now int64) {
	if !e.joined {
		return
	}
	value, cas, err := sharedValue(e.keys.leader)
	if err != nil {
		return
	}
	held := len(value) == claimSize
	ours := held && string(value[:16]) == string(e.nonce[:])
	if held {
		e.election.heartbeat = readInt64(value[claimAt:])
	}
	switch {
	case ours && e.leader != nil && now-e.election.heartbeat < heartbeatEvery && now >= e.election.heartbeat:
	case ours:
		e.claim(now, cas)
	case !held && e.mayClaim(now), held && e.mayReplace(value, now):
		e.claim(now, cas)
	case e.leader != nil:
		e.resign()
	}
}

// mayClaim lets a VM that serves requests wait for one that does not: the main
// thread's, which has the time.
func (e *Edge) mayClaim(now int64) bool {
	return e.streams == 0 || now-e.firstTick > heartbeatLost
}

func (e *Edge) mayReplace(claim []byte, now int64) bool {
	if heartbeat := readInt64(claim[claimAt:]); now-heartbeat > heartbeatLost || heartbeat-now > heartbeatLost {
		return true
	}
	return claim[claimServe] == 1 && e.streams == 0 && now-e.firstTick > heartbeatLost
}

// claim writes the leader's heartbeat. Who loses the swap does not lead.
func (e *Edge) claim(now int64, cas uint32) {
	var claim [claimSize]byte
	copy(claim[:], e.nonce[:])
	writeInt64(claim[claimAt:], now)
	if e.streams > 0 {
		claim[claimServe] = 1
	}
	if swapShared(e.keys.leader, claim[:], cas) != nil {
		e.resign()
		return
	}
	e.election.heartbeat = now
	if e.leader == nil {
		e.lead(now)
	}
}

// lead begins the leader's work.
func (e *Edge) lead(now int64) {
	id, err := proxywasm.RegisterSharedQueue(e.namespace + "leader")
	if err != nil {
		e.lacks(needQueues, err)
	}
	e.leaderQueue, e.proxy = id, e.proxyID() // which the leader before may have changed
	e.leader = newLeader(e, now)
	count("partnergate_leader_changes", 1)
}

// resign ends this VM's leadership. What it gathered and did not keep goes into
// the queue, for the next leader; the batch under way is in shared data.
func (e *Edge) resign() {
	if e.leader == nil {
		return
	}
	batch := wire.Sync{}
	e.leader.gather.unkept(&batch)
	e.leader = nil
	if len(batch.Usage)+len(batch.Requests) > 0 {
		_ = e.sendToLeader(batch.Append(e.appendMessage(nil, messageFlush))) // without a queue nobody could take it
	}
}

// leads reports whether this VM is still the leader, so that one that was
// stopped for long does not act in the place of another.
func (e *Edge) leads() bool {
	value, _, err := sharedValue(e.keys.leader)
	return err == nil && len(value) == claimSize && string(value[:16]) == string(e.nonce[:])
}

func readInt64(b []byte) int64 {
	v := uint64(0)
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return int64(v)
}

func writeInt64(b []byte, v int64) {
	for i := range 8 {
		b[i] = byte(uint64(v) >> (8 * i))
	}
}
