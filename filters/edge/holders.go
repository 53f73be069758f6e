package edge

import (
	"math/rand/v2"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// A VM that ends by itself cannot end its streams, which the host ends in its
// place: their concurrency slots would stay taken. So each VM holds slots under
// a number of its own, and stands with it in a register in shared data. The
// leader frees what a VM held that is registered and silent. A VM that only was
// slow finds out, and goes on under another number; what it held before is not
// freed a second time.
//
// The register is rows of nonce (16 bytes), holder (8), and 1 while what it
// held is being freed.
const (
	holderRow   = 16 + 8 + 1
	holderAt    = 16
	holderState = 24

	// vmLost is after how long without a message, in milliseconds of the
	// leader's own ticks, a VM counts as ended. VMs send one each second.
	vmLost = 15_000
	// silenceStep bounds what one look at the register adds to a VM's silence:
	// a process that stood still, or whose clock jumped, makes nobody silent.
	silenceStep = 2000
	// freeAtOnce is how many ledgers are looked through on one tick.
	freeAtOnce = 256
)

// newHolder is a number that no VM has.
func newHolder() uint64 { return rand.Uint64() | 1 }

// register enters this VM. A row that is there already stays; one whose slots
// are being freed is another's now.
func (e *Edge) register() {
	fresh := newHolder()
	holder := e.holder
	err := updateShared(e.keys.holders, func(rows []byte) ([]byte, bool) {
		holder = e.holder
		if at := holderRowOf(rows, e.nonce, e.holder); at >= 0 && rows[at+holderState] == 0 {
			return nil, false
		} else if at >= 0 || e.registered {
			holder = fresh
		}
		var row [holderRow]byte
		copy(row[:], e.nonce[:])
		writeInt64(row[holderAt:], int64(holder))
		return append(rows, row[:]...), true
	})
	if err == nil {
		e.holder, e.registered = holder, true
	}
}

// deregister takes this VM out when its last plugin is done. Its streams, which
// may go on for long while the host drains, end by themselves.
func (e *Edge) deregister() {
	e.registered = false
	_ = updateShared(e.keys.holders, func(rows []byte) ([]byte, bool) {
		return withoutRow(rows, holderRowOf(rows, e.nonce, e.holder))
	}) // else the leader frees what it holds: nothing, once its streams have ended
	e.holder = newHolder()
}

func withoutRow(rows []byte, at int) (_ []byte, changed bool) {
	if at < 0 {
		return nil, false
	}
	return append(rows[:at], rows[at+holderRow:]...), true
}

// holderRowOf is where a VM's row begins; -1 where it has none.
func holderRowOf(rows []byte, nonce [16]byte, holder uint64) int {
	for at := 0; at+holderRow <= len(rows); at += holderRow {
		if string(rows[at:at+16]) == string(nonce[:]) && uint64(readInt64(rows[at+holderAt:])) == holder {
			return at
		}
	}
	return -1
}

// vmID is a row of the register.
type vmID struct {
	nonce  [16]byte
	holder uint64
}

// lost is what the leader knows of VMs that ended by themselves.
type lost struct {
	silent map[vmID]int64 // milliseconds
	looked int64
	vm     vmID // whose slots are being freed; none where holder is 0
	left   []string
	freed  int64
}

// heard notes a sign of life.
func (o *lost) heard(nonce [16]byte) {
	for id := range o.silent {
		if id.nonce == nonce {
			delete(o.silent, id)
		}
	}
}

// freeLost frees, some ledgers a tick, what VMs held that ended by themselves.
func (l *leader) freeLost(now int64) {
	o := &l.lost
	if o.vm.holder != 0 {
		l.freeSome(now)
		return
	}
	elapsed := now - o.looked
	if l.edge.leaderQueue == 0 || elapsed >= 0 && elapsed < flushEvery {
		return
	}
	o.looked = now
	l.listen(min(max(elapsed, 0), silenceStep))
}

// listen adds to the silence of every VM but this one, and chooses one whose
// slots are to be freed.
func (l *leader) listen(elapsed int64) {
	o := &l.lost
	rows, cas, err := sharedValue(l.edge.keys.holders)
	if err != nil {
		return
	}
	silent, ended := map[vmID]int64{}, -1
	for at := 0; at+holderRow <= len(rows); at += holderRow {
		id := vmIDOf(rows[at:])
		if id.nonce == l.edge.nonce && id.holder == l.edge.holder {
			continue
		}
		silent[id] = o.silent[id] + elapsed
		if rows[at+holderState] == 1 || silent[id] > vmLost {
			ended = at // where several have, one after the other
		}
	}
	o.silent = silent
	if ended < 0 {
		return
	}
	id := vmIDOf(rows[ended:])
	rows[ended+holderState] = 1
	if swapShared(l.edge.keys.holders, rows, cas) == nil {
		l.beginFreeing(id)
	}
}

func vmIDOf(row []byte) vmID {
	return vmID{[16]byte(row[:16]), uint64(readInt64(row[holderAt:]))}
}

func (l *leader) beginFreeing(id vmID) {
	l.lost.vm, l.lost.freed, l.lost.left = id, 0, l.lost.left[:0]
	for ledger := range l.ledgers.ids {
		l.lost.left = append(l.lost.left, ledger)
	}
}

func (l *leader) freeSome(now int64) {
	o := &l.lost
	for n := 0; len(o.left) > 0 && n < freeAtOnce; n++ {
		last := len(o.left) - 1
		freed := int64(0)
		err := updateShared(l.edge.ledgers.prefix+o.left[last], func(value []byte) ([]byte, bool) {
			freed = policy.Ledger(value).Free(o.vm.holder)
			return value, freed > 0
		})
		if err != nil {
			return // again on the next tick
		}
		if freed > 0 {
			o.freed += freed
			l.sync.touch(o.left[last])
			l.sync.hurry(now + calmTick)
		}
		o.left = o.left[:last]
	}
	if len(o.left) == 0 {
		l.endFreeing()
	}
}

func (l *leader) endFreeing() {
	o := &l.lost
	err := updateShared(l.edge.keys.holders, func(rows []byte) ([]byte, bool) {
		return withoutRow(rows, holderRowOf(rows, o.vm.nonce, o.vm.holder))
	})
	if err != nil {
		return // again on the next tick
	}
	o.vm = vmID{}
	count("partnergate_vms_lost", 1)
	if o.freed > 0 {
		count("partnergate_slots_freed", uint64(o.freed))
		proxywasm.LogWarn("partnergate: a VM of this proxy ended by itself; the concurrency slots of the requests that it had in flight are free again")
	}
}
