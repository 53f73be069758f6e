package edge

import (
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// Bounds of what a VM gathers between two flushes.
const (
	maxRows    = 4096
	maxLogged  = 1024
	maxLogText = 128 << 10
	maxTouched = 1024
	// logRate is how many decisions of one partner are logged each second; the
	// others are only counted.
	logRate = 50
	// flushEvery is how often a VM sends what it gathered to the leader, milliseconds.
	flushEvery = 1000
)

// usage is what a VM counted and logged since its last flush. Counting a
// request of a kind that was seen before allocates nothing.
type usage struct {
	edge      *Edge
	rows      rows
	minute    int64
	requests  []wire.Request // strings are views of text, or the snapshot's
	text      []byte
	dropped   uint64
	rates     rates
	touched   touched
	lastFlush int64
	message   []byte
}

// count counts and logs a stream that has ended.
func (u *usage) count(s *Stream) {
	minute := s.now / 60_000
	if minute != u.minute {
		u.flush(s.now)
		u.minute = minute
	}
	r := u.rows.find(&s.Decision)
	r.count++
	if r.counted {
		_ = r.metric.Increment(1) // best effort
	}
	u.log(s)
	if u.rows.used > maxRows*3/4 || len(u.requests) > maxLogged/2 {
		u.flush(s.now)
	}
}

// log notes the decision, as long as its partner has not too many in this second.
func (u *usage) log(s *Stream) {
	d, f := &s.Decision, &s.facts
	if u.text == nil {
		u.text = make([]byte, 0, maxLogText)
		u.requests = make([]wire.Request, 0, maxLogged)
	}
	texts := [...]string{f.requestID, f.method, f.path, d.Partner, d.Application, d.Product, d.Environment, d.Operation, d.Credential, d.Limit}
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	if !u.rates.allow(d.Partner, s.now) || len(u.requests) == cap(u.requests) || len(u.text)+size > cap(u.text) {
		u.dropped++
		return
	}
	for i := range texts {
		from := len(u.text)
		u.text = append(u.text, texts[i]...)
		texts[i] = proxywasm.ViewString(u.text[from:])
	}
	u.requests = append(u.requests, wire.Request{
		Time: s.start, RequestID: texts[0], Method: texts[1], Path: texts[2],
		Partner: texts[3], Application: texts[4], Product: texts[5], Environment: texts[6], Operation: texts[7],
		Credential: texts[8], Limit: texts[9], Outcome: d.Code.String(), Status: responseCode(), PolicyVersion: d.PolicyVersion,
	})
}

// propertyResponseCode is the path of the response's status.
var propertyResponseCode = proxywasm.Path("response", "code")

func responseCode() uint16 {
	value, err := proxywasm.GetProperty(propertyResponseCode)
	if err != nil || len(value) != 8 {
		return 0
	}
	return uint16(readInt64(value))
}

// flushDue flushes once a second, even where nothing happened: a VM that is
// heard of counts when the lowest policy version of the process is told.
func (u *usage) flushDue(now int64) {
	if now-u.lastFlush >= flushEvery || now < u.lastFlush {
		u.flush(now)
		u.edge.register()
	}
}

// flush sends all to the leader. Where no leader takes it, it stays, and grows
// no further than its bounds.
func (u *usage) flush(now int64) {
	if !u.edge.joined {
		return
	}
	u.lastFlush = now
	batch := wire.Sync{Requests: u.requests, Dropped: u.dropped, Usage: u.rows.list(u.minute), Reports: u.touched.list()}
	u.message = u.edge.appendMessage(u.message[:0], messageFlush)
	u.message = batch.Append(u.message)
	if !u.edge.election.alive(now) || u.edge.sendToLeader(u.message) != nil {
		u.makeRoom()
		return
	}
	u.rows.reset()
	u.touched.reset()
	u.requests, u.text, u.dropped = u.requests[:0], u.text[:0], 0
}

// makeRoom lets go of what cannot be kept while nobody takes it: first the log.
func (u *usage) makeRoom() {
	if len(u.requests) > maxLogged/2 {
		u.dropped += uint64(len(u.requests))
		u.requests, u.text = u.requests[:0], u.text[:0]
	}
	if u.rows.used > maxRows*3/4 {
		count("partnergate_usage_lost", u.rows.total())
		u.rows.reset()
	}
}

// row counts the requests of one kind.
type row struct {
	hash    uint64
	usage   wire.Usage // its strings are copies
	count   uint64
	metric  proxywasm.MetricCounter
	counted bool // metric is there
}

// rows is a table of kinds with linear probing. It keeps its rows when it is
// emptied, so that the next requests of the same kinds find them.
type rows struct {
	places []row
	used   int
	out    []wire.Usage
}

func kindHash(d *policy.Decision) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{d.Partner, d.Application, d.Product, d.Environment, d.Operation} {
		h = hashString(h, s)
	}
	h = (h ^ uint64(d.Code)) * 1099511628211
	return h ^ h>>29 | 1
}

// hashString is FNV-1a, with a mark behind the text.
func hashString(h uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return (h ^ 0xff) * 1099511628211
}

func (r *row) of(d *policy.Decision) bool {
	u := &r.usage
	return u.Partner == d.Partner && u.Application == d.Application && u.Product == d.Product &&
		u.Environment == d.Environment && u.Operation == d.Operation && u.Outcome == d.Code.String()
}

// find returns the row of a decision's kind, making it where it is new.
func (t *rows) find(d *policy.Decision) *row {
	if t.used*4 >= len(t.places)*3 {
		t.grow()
	}
	hash := kindHash(d)
	mask := uint64(len(t.places) - 1)
	at := hash >> 1 & mask
	for ; t.places[at].hash != 0; at = (at + 1) & mask {
		if r := &t.places[at]; r.hash == hash && r.of(d) {
			return r
		}
	}
	t.used++
	r := &t.places[at]
	r.hash = hash
	r.usage = wire.Usage{
		Partner: strings.Clone(d.Partner), Application: strings.Clone(d.Application), Product: strings.Clone(d.Product),
		Environment: strings.Clone(d.Environment), Operation: strings.Clone(d.Operation), Outcome: d.Code.String(),
	}
	r.metric, r.counted = requestSeries(d)
	return r
}

func (t *rows) grow() {
	old := t.places
	t.places = make([]row, max(64, 2*len(old)))
	mask := uint64(len(t.places) - 1)
	for i := range old {
		if old[i].hash == 0 {
			continue
		}
		at := old[i].hash >> 1 & mask
		for t.places[at].hash != 0 {
			at = (at + 1) & mask
		}
		t.places[at] = old[i]
	}
}

// list is what was counted, for one minute.
func (t *rows) list(minute int64) []wire.Usage {
	t.out = t.out[:0]
	for i := range t.places {
		if r := &t.places[i]; r.count > 0 {
			r.usage.Minute, r.usage.Count = minute, r.count
			t.out = append(t.out, r.usage)
		}
	}
	return t.out
}

func (t *rows) total() (n uint64) {
	for i := range t.places {
		n += t.places[i].count
	}
	return n
}

// reset counts from zero again; a table that has grown large begins anew.
func (t *rows) reset() {
	if t.used > maxRows/2 {
		t.places, t.used, t.out = nil, 0, nil
		return
	}
	for i := range t.places {
		t.places[i].count = 0
	}
}

// rates counts how many decisions of each partner were logged in this second.
// Partners share a counter where their hashes meet; then some are not logged.
type rates struct {
	second int64
	counts [512]uint8
}

func (r *rates) allow(partner string, now int64) bool {
	if second := now / 1000; second != r.second {
		r.second, r.counts = second, [512]uint8{}
	}
	n := &r.counts[hashString(14695981039346656037, partner)>>7%uint64(len(r.counts))]
	if *n >= logRate {
		return false
	}
	*n++
	return true
}

// touched is the ledgers that this VM took from since its last flush.
type touched struct {
	hashes [2 * maxTouched]uint64
	ids    []wire.Report // their ids; views of text
	text   []byte
}

// add notes a ledger. It is given in pieces as the ledger's key has them.
func (t *touched) add(id string) {
	hash := hashString(14695981039346656037, id) | 1
	at := hash >> 1 % uint64(len(t.hashes))
	for ; t.hashes[at] != 0; at = (at + 1) % uint64(len(t.hashes)) {
		if t.hashes[at] == hash {
			return
		}
	}
	if t.text == nil {
		t.text = make([]byte, 0, maxTouched*64)
		t.ids = make([]wire.Report, 0, maxTouched)
	}
	if len(t.ids) == maxTouched || len(t.text)+len(id) > cap(t.text) {
		return // the next flush has room; the ledger keeps its own count
	}
	from := len(t.text)
	t.text = append(t.text, id...)
	t.hashes[at] = hash
	t.ids = append(t.ids, wire.Report{ID: proxywasm.ViewString(t.text[from:])})
}

func (t *touched) list() []wire.Report { return t.ids }

func (t *touched) reset() {
	if len(t.ids) > 0 {
		clear(t.hashes[:])
	}
	t.ids, t.text = t.ids[:0], t.text[:0]
}
