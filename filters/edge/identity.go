package edge

import (
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// renumber makes this process another proxy to the manager, which has stored a
// later batch of it than the one that was sent, or another one of its number: a
// process with the same memory runs somewhere, such as a machine that was cloned,
// or the number of the last batch was lost. The manager takes the leases over as those of a stranger, as
// it does when its store was restored.
//
// A batch to which this is the first answer was never stored: it goes again
// under the new name. One that was sent before may have been stored then, and
// is dropped rather than counted twice.
func (l *leader) renumber() {
	s := &l.sync
	count("partnergate_identity_changes", 1)
	proxywasm.LogError("partnergate: the manager knows of another batch of this proxy: another process has the same memory, such as a cloned machine; from now on this one is another proxy to it")
	next := l.edge.proxy
	next.Nonce = newNonce()
	if s.sent > 1 {
		l.drop("a batch of usage may have been counted before it was refused")
	} else if !l.rename(next) {
		return
	}
	// Were this not to happen, the next batch would be renumbered in turn.
	if putShared(l.edge.keys.proxy, next.Nonce[:]) == nil {
		l.edge.proxy = next
	}
	s.touched = l.ledgers.all() // the manager knows nothing of them under the new name
}

// rename puts the batch under another proxy's name.
func (l *leader) rename(next wire.ProxyID) bool {
	s := &l.sync
	m, err := wire.ParseSync(s.batch)
	if err != nil {
		l.drop("a batch of usage is malformed")
		return true
	}
	m.Proxy = next
	value := batchValue(&m)
	if !l.replaceBatch(func([]byte) []byte { return value }) {
		return false
	}
	s.batch = string(value[batchHead:])
	return true
}

// drop lets go of a batch that is not to be sent again, and counts what is
// lost with it. Its number is not used again, since it may have been stored.
func (l *leader) drop(why string) {
	proxywasm.LogError("partnergate: " + why + "; it is dropped")
	count("partnergate_batches_dropped", 1)
	if m, err := wire.ParseSync(l.sync.batch); err == nil {
		lost := uint64(0)
		for i := range m.Usage {
			lost += m.Usage[i].Count
		}
		count("partnergate_usage_lost", lost)
	}
	l.acknowledged()
	l.sync.touched = l.ledgers.all() // it told of some
}
