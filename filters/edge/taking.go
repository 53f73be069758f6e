package edge

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// taking is a policy on its way from the manager to shared data.
type taking struct {
	loader     *policy.Loader // nil for none
	arrived    []arrived      // parts that came with the last answer, and are not checked yet
	publishing *publishing    // once all parts are there
}

type arrived struct {
	id  policy.PartID
	raw string
}

// answerSteps is how many steps the parts of one answer may take.
const answerSteps = 8

// budget is how many bytes the leader checks, or puts into shared data, at one
// go: all that there are, unless it serves requests, which wait meanwhile.
func (l *leader) budget() int {
	switch {
	case l.edge.streams == 0:
		return maxLoadAtOnce / answerSteps
	case l.edge.replica.snapshot == nil:
		return firstBudget
	}
	return loadBudget
}

// busy reports whether there is a step to take at once.
func (t *taking) busy() bool { return len(t.arrived) > 0 || t.publishing != nil }

// advance goes on with the policy that is on its way: it checks what arrived, asks
// for more, or puts the whole into shared data.
func (l *leader) advance(now int64) {
	t, most, began := &l.watch.taking, l.budget(), nowNanos()
	budget := most
	if err := t.check(&budget); err != nil {
		l.reject(err, now)
		return
	}
	if len(t.arrived) == 0 {
		if len(t.loader.Missing()) > 0 {
			if l.watch.parts.ready(now) {
				l.fetch(now)
			}
		} else {
			l.publish(&budget, now)
		}
	}
	if most == loadBudget && budget < most {
		record("partnergate_policy_step_microseconds", uint64(max(nowNanos()-began, 0)/1000))
	}
	l.edge.choosePeriod()
}

// check takes parts that arrived into the loader, as far as the budget goes.
func (t *taking) check(budget *int) error {
	for len(t.arrived) > 0 && *budget > 0 {
		next := t.arrived[0]
		t.arrived[0], t.arrived = arrived{}, t.arrived[1:]
		if err := t.loader.Add(next.id, next.raw); err != nil {
			return err
		}
		*budget -= len(next.raw)
	}
	return nil
}

// publish gives a policy that is whole to all VMs, as far as the budget goes.
func (l *leader) publish(budget *int, now int64) {
	t := &l.watch.taking
	var err error
	if t.publishing == nil {
		t.publishing, err = l.edge.beginPublishing(t.loader)
	}
	done := false
	if err == nil {
		done, err = t.publishing.goOn(l.edge, budget, now)
	}
	switch {
	case err != nil:
		l.watchFailed("the policy cannot be put into shared data: "+err.Error(), now)
	case done:
		*t = taking{}
		l.confirmed(now)
		l.wakeAll()
		l.versionsChanged(now)
		l.watchDue(now)
	}
}

// publishing is a policy that was found good, on its way into shared data: what
// changed, then the manifest, then the state that points to it. Parts of the
// policy before stay readable for VMs that are still loading it.
type publishing struct {
	snapshot    *policy.Snapshot
	held        *policy.Manifest // what stands there; nil for nothing
	generations string
	at          int    // in held
	next        int    // entry to be put there
	value       []byte // of the manifest, as far as it is made
}

func (e *Edge) beginPublishing(l *policy.Loader) (*publishing, error) {
	snapshot, err := l.Snapshot()
	if err != nil {
		return nil, err
	}
	r, m := &e.replica, snapshot.Manifest()
	p := &publishing{snapshot: snapshot, value: make([]byte, manifestHead, manifestHead+m.Len()+len(m.Raw()))}
	p.held, p.generations, _ = readManifest(e.keys.manifest[r.state.generation], r.state.serial)
	n := m.Len()
	writeInt64(p.value, int64(r.state.serial+1))
	p.value[8], p.value[9], p.value[10], p.value[11] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	return p, nil
}

// goOn puts some parts into their slots, and after the last the rest.
func (p *publishing) goOn(e *Edge, budget *int, now int64) (done bool, err error) {
	m := p.snapshot.Manifest()
	for ; p.next < m.Len(); p.next++ {
		entry := m.Entry(p.next)
		generation, same := p.slotOf(entry)
		if !same {
			if *budget <= 0 {
				return false, nil
			}
			if err := putShared(e.partKey(entry.PartID, generation), proxywasm.ViewBytes(p.snapshot.Part(entry.PartID))); err != nil {
				return false, err
			}
			*budget -= int(entry.Size)
		}
		p.value = append(p.value, generation)
	}
	return true, p.finish(e, now)
}

func (p *publishing) finish(e *Edge, now int64) error {
	r := &e.replica
	next := state{serial: r.state.serial + 1, contact: now, generation: 1 - r.state.generation, away: r.state.away}
	if err := putShared(e.keys.manifest[next.generation], append(p.value, p.snapshot.Manifest().Raw()...)); err != nil {
		return err
	}
	if err := e.writeState(next); err != nil {
		return err
	}
	r.loading = nil
	r.replace(p.snapshot, next.serial)
	return nil
}

// slotOf chooses the generation of a part's slot: that of the same part as
// held, else the other one. It walks what is held, which is in the same order.
func (p *publishing) slotOf(entry policy.ManifestEntry) (generation byte, same bool) {
	if p.held == nil {
		return 0, false
	}
	for ; p.at < p.held.Len(); p.at++ {
		old := p.held.Entry(p.at)
		if old.Table < entry.Table || old.Table == entry.Table && old.Shard < entry.Shard {
			continue
		}
		if old.PartID != entry.PartID {
			return 0, false
		}
		if old.Digest == entry.Digest {
			return p.generations[p.at], true
		}
		return 1 - p.generations[p.at]&1, false
	}
	return 0, false
}
