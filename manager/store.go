package manager

import (
	"context"
	"errors"
	"time"
)

// ErrRevision says that somebody else has written since the caller read.
// Whoever gets it reads again and decides anew.
var ErrRevision = errors.New("the stored revision is another than expected")

// ErrMissing says that a single thing asked for is not stored.
var ErrMissing = errors.New("not stored")

// Store keeps what the manager must not lose. It decides nothing: it neither
// validates nor authorizes. Each method is atomic; a method that returns nil
// has stored durably. What it returns and takes is shared and never changed in
// place. Every implementation passes storetest.
type Store interface {
	PolicyStore
	PeopleStore
	UsageStore
	LeaseStore

	// Ping tells whether the store answers.
	Ping(ctx context.Context) error
	Close() error
}

// Change is one written or deleted resource. After is nil for a deletion.
type Change struct {
	Ref   Ref
	After Resource
}

// Policy is all resources and credentials at one revision.
type Policy struct {
	// Lineage is drawn when a store is made, and anew when one is restored.
	Lineage   [16]byte
	Revision  int64 // 0 for a store never written to
	Resources []Resource
}

// PolicyStore keeps resources and credentials as one versioned whole.
type PolicyStore interface {
	// LoadPolicy reads everything at one revision.
	LoadPolicy(ctx context.Context) (*Policy, error)
	// PolicyRevision is the current revision; cheap enough to be asked often.
	PolicyRevision(ctx context.Context) (int64, error)
	// CommitPolicy writes changes as revision expected+1, or returns
	// ErrRevision and writes nothing where the current revision is another.
	CommitPolicy(ctx context.Context, expected int64, changes []Change) (revision int64, err error)
}

// PeopleStore keeps members and their sessions. Emails are lower case.
type PeopleStore interface {
	Account(ctx context.Context, email string) (*Account, error) // ErrMissing
	PutAccount(ctx context.Context, account *Account) error

	// Memberships lists those of a partner, of an email, or of both; at least
	// one of the two is given. Ordered by partner, then email.
	Memberships(ctx context.Context, partner, email string) ([]Membership, error)
	PutMembership(ctx context.Context, m Membership) error
	DeleteMembership(ctx context.Context, partner, email string) error // nil where there was none

	SessionStore
}

// SessionStore keeps the portal's logins.
type SessionStore interface {
	Session(ctx context.Context, digest [32]byte, now time.Time) (*Session, error) // ErrMissing, also once expired
	PutSession(ctx context.Context, s *Session) error
	DeleteSession(ctx context.Context, digest [32]byte) error
	DeleteExpiredSessions(ctx context.Context, now time.Time) error
}

// UsageStore answers what was called. It is written by CommitSync alone.
type UsageStore interface {
	// UsageSums groups and sums; ordered by the group's values.
	UsageSums(ctx context.Context, q UsageQuery) ([]UsageSum, error)
	Requests(ctx context.Context, q RequestQuery) (*RequestPage, error)
	// CredentialUses returns when each credential of a partner was last
	// admitted or refused, by public id. Unused ones are absent.
	CredentialUses(ctx context.Context, partner string) (map[string]time.Time, error)
	// DeleteUsageBefore drops usage minutes and logged requests older than the
	// times given. It goes in bounded steps, each atomic, so that it holds up nobody.
	DeleteUsageBefore(ctx context.Context, usage, requests time.Time) error
}

// Proxy is one proxy process that the manager has heard from.
type Proxy struct {
	ID            string // node id, ".", nonce in hexadecimal
	Node          string
	FirstSeen     time.Time
	LastSync      time.Time
	PolicyVersion int64     // the lowest that any of its VMs decides by; 0 before the first
	PolicyAt      time.Time // when it last confirmed that version as current
	Sequence      uint64    // of the last batch stored
	Reply         []byte    // the answer to that batch, given again to a retry
	Revision      int64     // for LeaseStore: 0 for one not stored yet
}

// Bucket is the manager's ledger of one limit of one contract: what manager/lease
// keeps there is the store's business as little as its own revision is lease's.
type Bucket struct {
	ID       string // such as acme/payments-sandbox/throughput/rate
	State    []byte
	Revision int64 // 0 for one not stored yet
}

// SyncCommit is all that one proxy's batch changes.
type SyncCommit struct {
	Proxy    *Proxy   // Revision: the one read
	Buckets  []Bucket // Revision: the one read
	Usage    []UsageRow
	Requests []RequestRecord
	// CredentialUses: public id → when last seen, by partner.
	CredentialUses map[string]map[string]time.Time
}

// LeaseStore keeps what is granted to proxies. Usage is added and leases are
// debited in the same commit, so that a batch counts once or not at all.
type LeaseStore interface {
	Proxy(ctx context.Context, id string) (*Proxy, error) // ErrMissing
	// Proxies lists those whose LastSync is not before since, by ID.
	Proxies(ctx context.Context, since time.Time) ([]Proxy, error)
	// Buckets reads those of the ids that exist, in the order of ids.
	Buckets(ctx context.Context, ids []string) ([]Bucket, error)
	// CommitSync stores all or nothing; ErrRevision where the proxy or a
	// bucket has another revision than the one given. It raises each written
	// revision by one.
	CommitSync(ctx context.Context, commit SyncCommit) error
	// DeleteProxiesBefore forgets proxies whose LastSync is older.
	DeleteProxiesBefore(ctx context.Context, t time.Time) error
}
