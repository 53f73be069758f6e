package edge

import (
	"errors"
	"strconv"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// Bytes of parts that are loaded at one go: between requests; by a VM that has
// nothing to decide by yet, and so refuses every request; and before a VM serves.
const (
	loadBudget    = 64 << 10
	firstBudget   = 1 << 20
	maxLoadAtOnce = 1 << 30
)

// The process's state in shared data, which the leader writes and every VM
// looks at on each tick.
//
//	0 serial of the policy published, rising     8 bytes
//	8 when it was last known to be current, ms   8 bytes
//	16 generation of the manifest                1 byte
//	17 the manager is away                       1 byte
const stateSize = 18

// state is that value, read.
type state struct {
	serial     uint64
	contact    int64
	generation byte
	away       bool
}

func parseState(value []byte) (s state, ok bool) {
	if len(value) != stateSize {
		return state{}, false
	}
	return state{uint64(readInt64(value)), readInt64(value[8:]), value[16] & 1, value[17] == 1}, true
}

func (s *state) append(b []byte) []byte {
	var value [stateSize]byte
	writeInt64(value[:], int64(s.serial))
	writeInt64(value[8:], s.contact)
	value[16] = s.generation
	if s.away {
		value[17] = 1
	}
	return append(b, value[:]...)
}

// replica is a VM's copy of the policy.
type replica struct {
	edge     *Edge
	snapshot *policy.Snapshot
	serial   uint64 // of the policy that snapshot is
	state    state
	loading  *loading
	booted   int64 // the date of snapshot where it is the bootstrap, Unix milliseconds; else 0
}

// current is the snapshot to decide by, now in Unix milliseconds; nil where
// there is none, or where the manager was silent for more than maxStale
// milliseconds: code says which.
func (r *replica) current(now, maxStale int64) (*policy.Snapshot, policy.Code) {
	switch {
	case r.snapshot == nil:
		return nil, policy.PolicyUnavailable
	case maxStale > 0 && now-r.state.contact > maxStale:
		return nil, policy.PolicyStale
	}
	return r.snapshot, policy.Undecided
}

// version is that of the policy that this VM decides by; 0 for none.
func (r *replica) version() uint64 {
	if r.snapshot == nil {
		return 0
	}
	return r.snapshot.Version()
}

// goOn looks for a new policy, and takes one step of taking it over: reading its
// manifest and loading some parts, so that a small change is one step. What a
// step costs is recorded, since no request of this worker is served meanwhile.
func (r *replica) goOn(now int64) {
	began, before := nowNanos(), r.loading
	r.refresh(now)
	switch {
	case r.loading == nil:
		return
	case r.snapshot == nil:
		r.load(firstBudget)
		return
	case r.loading == before:
		r.load(loadBudget)
	default:
		r.load(loadBudget - len(r.loading.manifest.Raw()))
	}
	record("partnergate_policy_step_microseconds", uint64(max(nowNanos()-began, 0)/1000))
}

// catchUp takes the process's policy over whole, where this VM has none to
// decide by: whoever waits for an answer waits for that rather than be refused.
func (r *replica) catchUp(now int64) {
	r.refresh(now)
	for r.loading != nil {
		r.load(maxLoadAtOnce)
	}
}

// refresh looks whether the leader has published another policy.
func (r *replica) refresh(now int64) {
	value, _, err := sharedValue(r.edge.keys.state)
	if err != nil {
		return
	}
	s, ok := parseState(value)
	if !ok {
		return
	}
	r.state = s
	if r.booted != 0 && s.serial == 0 {
		r.state.contact = r.booted // each VM's own
	}
	if s.serial == r.serial || s.serial == 0 || r.loading != nil && r.loading.serial == s.serial {
		return
	}
	r.loading = r.begin(s)
}

// loading is a policy on its way from shared data into this VM.
type loading struct {
	serial      uint64
	generations string // one byte for each part of the manifest
	loader      *policy.Loader
	manifest    *policy.Manifest
	next        int // entry
}

// A manifest in shared data has before it the serial (8 bytes), the number of
// its parts (4 bytes), and the generation of each.
const manifestHead = 12

func readManifest(key string, serial uint64) (m *policy.Manifest, generations string, ok bool) {
	value, _, err := proxywasm.TakeSharedData(key)
	if err != nil || len(value) < manifestHead || uint64(readInt64(proxywasm.ViewBytes(value))) != serial {
		return nil, "", false
	}
	n := int(value[8]) | int(value[9])<<8 | int(value[10])<<16 | int(value[11])<<24
	if n < 0 || n > policy.MaxParts || len(value) < manifestHead+n {
		return nil, "", false
	}
	m, err = policy.ParseManifest(value[manifestHead+n:])
	if err != nil || m.Len() != n {
		return nil, "", false
	}
	return m, value[manifestHead : manifestHead+n], true
}

// begin starts to load a policy; nil where the leader is just writing the next.
func (r *replica) begin(s state) *loading {
	m, generations, ok := readManifest(r.edge.keys.manifest[s.generation], s.serial)
	if !ok {
		return nil
	}
	return &loading{serial: s.serial, generations: generations, manifest: m, loader: policy.NewLoader(m, r.snapshot)}
}

// load goes on with at most budget bytes, and swaps to the snapshot when it is
// whole. A part that is not the one that the manifest names was overwritten by
// the next policy: then all begins anew.
func (r *replica) load(budget int) {
	for l := r.loading; l != nil && budget > 0; {
		missing := l.loader.Missing()
		if len(missing) == 0 {
			r.finish()
			return
		}
		e := missing[0]
		part, _, err := proxywasm.TakeSharedData(r.edge.partKey(e.PartID, l.generation(e.PartID)))
		if err == nil {
			err = l.loader.Add(e.PartID, part)
		}
		if err != nil {
			r.loading = nil
			return
		}
		budget -= int(e.Size)
	}
	if r.loading != nil && len(r.loading.loader.Missing()) == 0 {
		r.finish()
	}
}

func (r *replica) finish() {
	l := r.loading
	r.loading = nil
	snapshot, err := l.loader.Snapshot()
	if err != nil {
		return
	}
	r.replace(snapshot, l.serial)
}

// replace swaps to a policy of the manager's.
func (r *replica) replace(snapshot *policy.Snapshot, serial uint64) {
	if r.booted != 0 {
		r.booted = 0
		gauge("partnergate_policy_bootstrap", 0)
	}
	r.swap(snapshot, serial)
}

// swap makes every decision from now on by the snapshot, and says so.
func (r *replica) swap(snapshot *policy.Snapshot, serial uint64) {
	r.snapshot, r.serial = snapshot, serial
	gauge("partnergate_policy_version", snapshot.Version())
	if r.edge.joined {
		r.edge.sendVersion()
	}
}

// generation finds where a part stands; parts are missing in the manifest's order.
func (l *loading) generation(id policy.PartID) byte {
	for ; l.next < l.manifest.Len(); l.next++ {
		if l.manifest.Entry(l.next).PartID == id {
			return l.generations[l.next]
		}
	}
	return 0
}

// partKey is the key of a part's slot. Nothing can be deleted from shared data,
// so slots are fixed: two for each shard, written in turn.
func (e *Edge) partKey(id policy.PartID, generation byte) string {
	b := make([]byte, 0, 80)
	b = append(append(b, e.namespace...), "part/"...)
	b = append(strconv.AppendInt(b, int64(id.Table), 10), '/')
	b = append(strconv.AppendInt(b, int64(id.Shard), 10), '/', '0'+generation&1)
	return string(b)
}

// writeState tells every VM the process's state. Only a leader writes it, and
// never takes back what a later one has published.
func (e *Edge) writeState(s state) error {
	e.replica.state = s
	return updateShared(e.keys.state, func(value []byte) ([]byte, bool) {
		if held, ok := parseState(value); ok && held.serial > s.serial {
			return nil, false
		}
		return s.append(value[:0]), true
	})
}

// noteContact records that the policy held is the manager's current one.
func (e *Edge) noteContact(now int64) {
	s := e.replica.state
	s.contact = now
	_ = e.writeState(s) // the next contact writes it again
}

// reasons are the words for why a policy was refused, for the metric.
var reasons = []struct {
	err  error
	word string
}{
	{policy.ErrTruncated, "truncated"}, {policy.ErrIncomplete, "truncated"}, {policy.ErrDigest, "digest"},
	{policy.ErrSchema, "schema"}, {policy.ErrOlder, "older"}, {policy.ErrFuture, "future"}, {policy.ErrEmpty, "empty"},
	{policy.ErrTooLarge, "too_large"}, {policy.ErrDuplicate, "duplicate"}, {policy.ErrSignature, "signature"},
}

// reason is the word for an error; malformed for one that has none of its own.
func reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return "malformed"
}
