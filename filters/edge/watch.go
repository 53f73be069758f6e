package edge

import (
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// watch is the leader's long poll for the policy, and the fetching of what is
// new in it. Only one of the two is under way.
type watch struct {
	call  call
	parts call
	taking
	told   string   // the last problem that was logged
	digest [32]byte // of the manifest held
	of     *policy.Snapshot
}

// longPoll is how long, in milliseconds, a manager waits that nobody hurries.
const longPoll = 25_000

// watchDue watches, or goes on fetching.
func (l *leader) watchDue(now int64) {
	w := &l.watch
	switch {
	case l.edge.replica.loading != nil:
	case w.loader != nil:
		l.advance(now)
	case w.call.ready(now):
		l.poll(now)
	}
}

func (l *leader) poll(now int64) {
	m := wire.Watch{Proxy: l.edge.proxy, Schema: policy.SchemaVersion, Wait: uint32(l.patience())}
	if held := l.edge.replica.held(); held != nil && !l.refusesAsStale(now) {
		if l.watch.of != held {
			l.watch.of, l.watch.digest = held, policy.Digest(held.Manifest().Raw())
		}
		m.Lineage, m.Version, m.Digest = held.Manifest().Lineage, held.Version(), l.watch.digest
	}
	l.send(&l.watch.call, m.Append(nil), now, l.watched, l.watchFailed)
}

// patience is within how many milliseconds a watch is to be answered, so that the
// policy is confirmed well before it counts as too old; 0 where that is far off.
func (l *leader) patience() int64 {
	shortest := int64(DefaultMaxStale)
	for _, p := range l.edge.plugins {
		shortest = min(shortest, p.config.MaxStale)
	}
	if shortest >= 3*longPoll {
		return 0
	}
	return shortest / 3
}

// quickAnswer is how soon, in milliseconds, an answer without news is no long poll's.
func (l *leader) quickAnswer() int64 {
	if wait := l.patience(); wait > 0 {
		return min(wait/2, 1000)
	}
	return 1000
}

// refusesAsStale tells whether requests are refused because the policy was not
// confirmed for long. Then a watch that says nothing of it is answered at once.
func (l *leader) refusesAsStale(now int64) bool {
	for _, p := range l.edge.plugins {
		if _, code := l.edge.replica.current(now, p.config.MaxStale); code == policy.PolicyStale {
			return true
		}
	}
	return false
}

func (l *leader) watched(body string, now int64) {
	reply, err := wire.ParseWatchReply(body)
	if err != nil {
		l.reject(err, now)
		return
	}
	if reply.SyncNow {
		l.sync.hurry(now)
	}
	if reply.Manifest == "" {
		if l.edge.replica.held() == nil {
			l.watchFailed("the manager has no policy yet", now)
			return
		}
		l.confirmed(now)
		if asked := l.watch.call.since; !reply.SyncNow && now-asked < l.quickAnswer() {
			l.watch.call.failed(now) // a manager that is stopping answers at once
		}
	} else if err := l.begin(strings.Clone(reply.Manifest), now); err != nil {
		l.reject(err, now)
		return
	}
	l.watchDue(now)
	l.syncDue(now)
}

// begin starts to take a new policy in.
func (l *leader) begin(raw string, now int64) error {
	var heldManifest *policy.Manifest
	if held := l.edge.replica.held(); held != nil {
		heldManifest = held.Manifest()
	}
	m, err := policy.ReadManifest(raw, heldManifest)
	if err != nil {
		return err
	}
	if err := m.Follows(heldManifest, now); err != nil {
		return err
	}
	if l.edge.replica.booted != 0 && m.Empty() && !m.Emptied {
		return policy.ErrEmpty // a manager that knows of nothing is no reason to let the bootstrap go
	}
	l.watch.loader = policy.NewLoader(m, l.edge.replica.snapshot)
	return nil
}

// fetch asks for the next missing parts.
func (l *leader) fetch(now int64) {
	var ask wire.Parts
	var ids []policy.PartID
	bytes := 0
	for _, e := range l.watch.loader.Missing() {
		if bytes += int(e.Size); len(ids) == wire.MaxPartsAsk || len(ids) > 0 && bytes > answerSteps*l.budget() {
			break
		}
		ask.Digests = append(ask.Digests, e.Digest)
		ids = append(ids, e.PartID)
	}
	l.send(&l.watch.parts, ask.Append(nil), now, func(body string, now int64) { l.fetched(ids, body, now) }, l.fetchFailed)
}

func (l *leader) fetched(ids []policy.PartID, body string, now int64) {
	reply, err := wire.ParsePartsReply(body)
	if err == nil && (len(reply.Parts) == 0 || len(reply.Parts) > len(ids)) {
		err = wire.ErrMalformed
	}
	if err != nil {
		l.reject(err, now)
		return
	}
	for i, part := range reply.Parts {
		if part == "" {
			// A newer policy has taken its place: watch again.
			l.watchFailed("the manager has a part of the policy no more", now)
			return
		}
		l.watch.arrived = append(l.watch.arrived, arrived{ids[i], strings.Clone(part)})
	}
	l.watch.parts.succeeded(now)
	l.advance(now)
}

// confirmed notes that the policy held is the manager's.
func (l *leader) confirmed(now int64) {
	l.watch.call.succeeded(now)
	l.watch.told = ""
	l.edge.noteContact(now)
}

// reject keeps the last good policy in place of bytes that are none.
func (l *leader) reject(err error, now int64) {
	countReason("partnergate_policy_rejected", reason(err))
	l.watchFailed("what the manager sent was refused, the last good policy stays: "+err.Error(), now)
}

func (l *leader) watchFailed(why string, now int64) {
	l.watch.taking = taking{}
	l.watch.call.failed(now)
	l.watch.complain(why)
}

// maxFetchFails is after how many failures of fetching parts the leader asks
// again which policy is current.
const maxFetchFails = 5

// fetchFailed keeps the parts that came already.
func (l *leader) fetchFailed(why string, now int64) {
	l.watch.parts.failed(now)
	if l.watch.parts.fails < maxFetchFails {
		l.watch.complain(why)
		return
	}
	l.watch.parts.fails = 0
	l.watchFailed(why, now)
}

// complain logs a problem once, not every two seconds, and counts it.
func (w *watch) complain(why string) {
	count("partnergate_watch_failures", 1)
	if why != w.told {
		w.told = why
		last := &w.call
		if w.parts.since > last.since {
			last = &w.parts
		}
		proxywasm.LogWarn("partnergate: no new policy from the manager: " + last.named(why))
	}
}
