// Package wire is what filters and manager say to one another, as bytes: three
// calls, all made by the leader of a proxy process. Watch waits for a newer
// policy, Parts fetches pieces of it, Sync brings usage and takes leases.
//
// Integers are little-endian; strings and lists have their length before them.
// Reading never panics and never takes more memory than the bytes read, so the
// manager may be lied to by a proxy and a proxy by whatever answers in the
// manager's place. The package is pure Go without reflection, as package policy.
package wire

import "github.com/partnergate/partnergate/filters/policy"

// Versions of these messages. Both sides read Oldest to Version, and the manager
// answers in the version in which it was asked, so that the two may be one apart.
const (
	Version = 1 // what a proxy speaks first
	Oldest  = 1 // the one before, once there is one
)

// InVersionOf makes an answer one in the version of what was asked. The form of
// all versions that are read is the same but for its number.
func InVersionOf(asked, answer []byte) []byte {
	if len(asked) == 0 || len(answer) == 0 || answer[0] == asked[0] || asked[0] < Oldest || asked[0] > Version {
		return answer
	}
	return append([]byte{asked[0]}, answer[1:]...)
}

// OtherVersion is the version to speak to a manager that refuses v.
func OtherVersion(v byte) byte { return Oldest + Version - v }

// Why the manager refuses a call, in the header VersionHeader of its answer:
// what a proxy has to know without reading JSON.
const (
	VersionHeader  = "x-partnergate-refused"
	UnknownVersion = "version_unknown" // of the messages; status 501
	UnknownSchema  = "schema_unknown"  // of the policy; status 501
	StaleSequence  = "sequence_stale"  // a later batch of this proxy is stored, or another of that number; status 409
)

// Paths of the three calls: POST, application/octet-stream, Authorization:
// Bearer with the edge token.
const (
	WatchPath = "/edge/v1/watch"
	PartsPath = "/edge/v1/parts"
	SyncPath  = "/edge/v1/sync"
)

// Bounds of messages.
const (
	MaxMessage  = 15 << 20 // bytes of any message
	MaxPartsAsk = 64       // parts asked for at once; 64 × 256 kB is more than MaxMessage, so the answer may be cut short
	MaxUsage    = 20_000   // rows in one batch
	MaxRequests = 20_000   // logged requests in one batch
	MaxReports  = 20_000   // buckets in one batch
)

// Error is why a message is not understood.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// The errors.
const (
	ErrVersion   Error = "wire: the message is of a version that is not spoken here"
	ErrMalformed Error = "wire: the message is malformed"
	ErrTooMany   Error = "wire: the message has more items than allowed"
)

// Message kinds, the first byte of each message after the version.
const (
	kindWatch byte = iota + 1
	kindWatchReply
	kindParts
	kindPartsReply
	kindSync
	kindSyncReply
)

// ProxyID names one proxy process.
type ProxyID struct {
	Node  string // the host's node id; several proxies may share one
	Nonce [16]byte
}

// Watch asks for what is newer than what the proxy holds. It is answered at
// once where there is something to say, else after 25 seconds at most, or after Wait.
type Watch struct {
	Proxy   ProxyID
	Schema  uint8 // of snapshots, that the filters read
	Lineage [16]byte
	Version uint64 // held; 0 for none
	// Digest of the manifest held; zero for none. It tells apart two snapshots
	// of one version, which a clock alone can make.
	Digest [32]byte
	// Wait is after how many milliseconds to say that there is no news; 0: as late as the manager likes.
	Wait uint32
}

// WatchReply answers a Watch.
type WatchReply struct {
	// Manifest is a manifest, or a delta from the one that the proxy holds, as policy.ReadManifest reads; empty: what it holds is current.
	Manifest string
	SyncNow  bool // a lease is wanted back: call Sync at once
}

// Parts asks for parts by digest.
type Parts struct{ Digests [][32]byte }

// PartsReply has the parts in the order asked for. A part that the manager has
// no more is empty; the tail may be missing where the reply would be too large.
type PartsReply struct{ Parts []string }

// Sync is one batch. A proxy sends batch n+1 only after batch n was answered;
// sent again with the same sequence it has the same content, is counted once,
// and gets the same answer.
type Sync struct {
	Proxy         ProxyID
	Sequence      uint64 // from 1
	PolicyVersion uint64 // the lowest that any VM of the process decides by
	PolicyAge     uint64 // milliseconds since it was last confirmed as current
	Usage         []Usage
	Requests      []Request
	Dropped       uint64 // decisions that were counted but not logged
	Reports       []Report
}

// Usage is how many requests with one key ended in one minute.
type Usage struct {
	Minute                                                         int64 // Unix minutes
	Partner, Application, Product, Environment, Operation, Outcome string
	Count                                                          uint64
}

// Request is one logged decision.
type Request struct {
	Time                                                           int64 // Unix milliseconds
	RequestID                                                      string
	Partner, Application, Product, Environment, Operation, Outcome string
	Credential, Method, Path, Limit                                string
	Status                                                         uint16
	PolicyVersion                                                  uint64
}

// Report and Grant are the two halves of a lease: see package policy, which
// does their arithmetic on the proxy's side.
type (
	Report = policy.Report
	Grant  = policy.Grant
)

// SyncReply answers a Sync once the batch is stored.
type SyncReply struct {
	Sequence uint64
	Grants   []Grant
	// Forget lists buckets that are no longer part of any contract.
	Forget []string
}
