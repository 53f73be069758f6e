package edge

import (
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// How long after the last sync the next one is due, in milliseconds: where
// there is something to say, and where there is nothing.
const (
	syncEvery = 1000
	syncCalm  = 5000
)

// syncing is the leader's batches: usage and reports out, leases in. One is
// under way at a time.
type syncing struct {
	call     call
	due      int64 // the next one, where hurry or an answer said so
	last     int64
	sequence uint64
	batch    string // not acknowledged yet; empty for none
	sent     int    // how often the batch was

	touched     map[string]bool   // ledgers to report
	wants       map[string]uint64 // buckets that requests wait for, and how many
	quotas      map[string]lease
	toldVersion uint64 // the lowest policy version that the manager was told
	told        string // the last problem that was logged
	takenOver   bool   // the batch of the leader before was looked for
	recalled    bool   // and what it had gathered
}

// lease is what is remembered of a quota's last grant.
type lease struct {
	tokens    int64
	spent     bool
	windowEnd int64
}

// hurry makes the next sync due at once.
func (s *syncing) hurry(now int64) { s.due = min(s.due, now) }

// want notes buckets that requests wait for.
func (s *syncing) want(body string, now int64) {
	batch, err := wire.ParseSync(body)
	if err != nil {
		return
	}
	if s.wants == nil {
		s.wants = map[string]uint64{}
	}
	for _, r := range batch.Reports {
		id := strings.Clone(r.ID)
		s.wants[id] += r.Demand
		s.touch(policy.LedgerID(id))
	}
	s.hurry(now)
}

func (s *syncing) touch(ledger string) {
	if !s.touched[ledger] {
		s.touched[strings.Clone(ledger)] = true
	}
}

// The batch under way stands in shared data, so that another leader sends the
// same bytes under the same sequence: its sequence (8 bytes), 1 while it is not
// acknowledged (1 byte), its bytes.
const batchHead = 9

func batchValue(m *wire.Sync) []byte {
	value := make([]byte, batchHead, 1<<10)
	writeInt64(value, int64(m.Sequence))
	value[8] = 1
	return m.Append(value)
}

// takeOver finds out which batch the leader before had under way.
func (l *leader) takeOver() bool {
	s := &l.sync
	if s.takenOver {
		return true
	}
	value, _, err := sharedValue(l.edge.keys.batch)
	if err != nil {
		return false
	}
	if len(value) >= batchHead {
		s.sequence = uint64(readInt64(value))
		if value[8] == 1 {
			s.batch, s.sent = string(value[batchHead:]), 1
		}
	}
	if !s.recalled {
		l.recall(s.sequence)
	}
	s.takenOver, s.recalled = true, true
	return true
}

// syncDue sends the next batch when its time has come.
func (l *leader) syncDue(now int64) {
	s := &l.sync
	if !s.call.ready(now) || now < l.nextSync() || !l.edge.joined || !l.takeOver() {
		return
	}
	if s.batch == "" && !l.compose(now) {
		return
	}
	s.sent++
	l.send(&s.call, proxywasm.ViewBytes(s.batch), now, l.synced, l.syncFailed)
}

func (l *leader) nextSync() int64 {
	s := &l.sync
	switch {
	case s.batch != "":
		return 0
	case len(s.touched) > 0 || !l.gather.empty():
		return min(s.due, s.last+syncEvery)
	}
	return min(s.due, s.last+syncCalm)
}

// compose makes the next batch, and keeps it in shared data before it is sent.
// It reports false where another VM made one meanwhile.
func (l *leader) compose(now int64) bool {
	s := &l.sync
	_, cas, err := sharedValue(l.edge.keys.batch)
	if err != nil || !l.edge.leads() {
		return false
	}
	version := l.lowestVersion(now)
	m := wire.Sync{Proxy: l.edge.proxy, Sequence: s.sequence + 1, PolicyVersion: version}
	if contact := l.edge.replica.state.contact; contact > 0 {
		m.PolicyAge = uint64(max(now-contact, 0))
	}
	m.Reports = l.reports(now)
	l.gather.fill(&m)
	value := batchValue(&m)
	if swapShared(l.edge.keys.batch, value, cas) != nil {
		return false
	}
	s.sequence, s.batch, s.sent, s.toldVersion = m.Sequence, string(value[batchHead:]), 0, version
	s.last, s.due = now, now+syncCalm
	l.gather.sent()
	l.letGo()
	return true
}

// reports tells the state of every ledger that was used, and what is wanted.
func (l *leader) reports(now int64) []policy.Report {
	s := &l.sync
	var reports []policy.Report
	for id := range s.touched {
		if len(reports) > wire.MaxReports-policy.MaxLedger/100 {
			break // the others come with the next
		}
		from := len(reports)
		err := updateShared(l.edge.ledgers.prefix+id, func(value []byte) ([]byte, bool) {
			var changed bool
			reports, changed = policy.Ledger(value).Report(reports[:from], now)
			return value, changed
		})
		if err != nil {
			reports = reports[:from]
			continue
		}
		delete(s.touched, id)
	}
	at := make(map[string]int, len(reports))
	for i := range reports {
		at[reports[i].ID] = i
		reports[i].Wanted = s.low(&reports[i])
	}
	for id, demand := range s.wants {
		if i, ok := at[id]; ok {
			reports[i].Wanted = true
			reports[i].Demand += demand
		} else {
			reports = append(reports, policy.Report{ID: id, Wanted: true, Demand: demand})
		}
	}
	clear(s.wants)
	return reports
}

// low reports whether a quota's lease is nearly used up, so that the next one
// comes before a request has to wait for it.
func (s *syncing) low(r *policy.Report) bool {
	q, ok := s.quotas[r.ID]
	return ok && !q.spent && q.windowEnd == r.WindowEnd && r.Tokens < q.tokens/4
}

// synced takes the manager's answer in.
func (l *leader) synced(body string, now int64) {
	s := &l.sync
	reply, err := wire.ParseSyncReply(body)
	if err != nil {
		l.syncFailed("the answer to a batch is malformed: "+err.Error(), now)
		return
	}
	if reply.Sequence != s.sequence {
		l.syncFailed("the answer is to another batch", now)
		return
	}
	// First the grants: a batch whose answer was not taken in whole is sent again.
	granted := l.grant(&reply, now)
	if !l.acknowledged() {
		return
	}
	s.call.succeeded(now)
	s.told = ""
	l.setAway(false)
	if granted {
		s.hurry(now + calmTick) // what was taken in is to be acknowledged
		l.wakeWaiting(wakeLook)
	}
	l.syncDue(now)
}

// acknowledged lets go of a batch.
func (l *leader) acknowledged() bool {
	ok := l.replaceBatch(func(value []byte) []byte {
		value[8] = 0
		return value[:batchHead]
	})
	l.sync.batch = ""
	return ok
}

// replaceBatch changes what stands in shared data of the batch under way, and
// reports false where that is another by now.
func (l *leader) replaceBatch(change func(value []byte) []byte) bool {
	s := &l.sync
	ours := false
	err := updateShared(l.edge.keys.batch, func(value []byte) ([]byte, bool) {
		ours = len(value) >= batchHead && uint64(readInt64(value)) == s.sequence
		if !ours {
			return nil, false
		}
		return change(value), true
	})
	if err != nil || !ours {
		s.batch, s.takenOver = "", false // look again what is under way
		return false
	}
	return true
}

// grant takes grants into the ledgers, and reports whether any was new.
func (l *leader) grant(reply *wire.SyncReply, now int64) (any bool) {
	s := &l.sync
	for i := range reply.Grants {
		g := &reply.Grants[i]
		id := policy.LedgerID(g.ID)
		applied := false
		err := updateShared(l.edge.ledgers.prefix+id, func(value []byte) ([]byte, bool) {
			var ledger policy.Ledger
			ledger, applied = policy.Ledger(value).Apply(g, now, l.edge.replica.version())
			return ledger, applied
		})
		if err != nil || !applied {
			continue
		}
		any = true
		s.remember(g)
		s.touch(id)
		l.ledgers.add(l.edge, id)
	}
	for _, id := range reply.Forget {
		delete(s.quotas, id)
		_ = updateShared(l.edge.ledgers.prefix+policy.LedgerID(id), func(value []byte) ([]byte, bool) {
			return policy.Ledger(value).Forget(id)
		}) // it is asked for again
	}
	return any
}

func (s *syncing) remember(g *policy.Grant) {
	if g.WindowEnd == 0 {
		return
	}
	if s.quotas == nil {
		s.quotas = map[string]lease{}
	}
	q := s.quotas[g.ID]
	if g.Tokens > 0 || q.windowEnd != g.WindowEnd {
		q.tokens = g.Tokens
	}
	q.spent, q.windowEnd = g.Spent, g.WindowEnd
	s.quotas[strings.Clone(g.ID)] = q
}

// syncFailed keeps the batch, to be sent again; but not one that the manager
// will never take.
func (l *leader) syncFailed(why string, now int64) {
	s := &l.sync
	s.call.failed(now)
	count("partnergate_sync_failures", 1)
	if why != s.told {
		s.told = why
		proxywasm.LogWarn("partnergate: the manager did not take a batch: " + s.call.named(why))
	}
	switch {
	case s.call.refused == wire.StaleSequence:
		l.renumber()
	case s.call.status == "400" || s.call.status == "413" || s.call.status == "422":
		l.drop("the manager refuses a batch of usage for good")
	}
	l.setAway(true)
	l.wakeWaiting(wakeAway)
}

// setAway tells every VM whether the manager answers.
func (l *leader) setAway(away bool) {
	if state := l.edge.replica.state; state.away != away {
		state.away = away
		_ = l.edge.writeState(state) // the next sync says it again
	}
}

// directory is the ids of all ledgers of the process: it stands in shared data,
// which cannot be listed, for the next leader.
type directory struct{ ids map[string]bool }

func (d *directory) read(e *Edge) {
	d.ids = map[string]bool{}
	value, _, err := sharedValue(e.keys.directory)
	if err != nil {
		return
	}
	for _, id := range strings.Split(string(value), "\n") {
		if id != "" {
			d.ids[id] = true
		}
	}
}

func (d *directory) all() map[string]bool {
	ids := make(map[string]bool, len(d.ids))
	for id := range d.ids {
		ids[id] = true
	}
	return ids
}

func (d *directory) add(e *Edge, id string) {
	if d.ids[id] {
		return
	}
	d.ids[strings.Clone(id)] = true
	_ = updateShared(e.keys.directory, func(value []byte) ([]byte, bool) {
		return append(append(value, id...), '\n'), true
	}) // the ledger is reported anyway when it is used
}
