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
	TokenStore
	AuditStore
	MarkStore
	UsageStore
	LeaseStore
	BackupStore

	// Ping tells whether the store answers.
	Ping(ctx context.Context) error
	Close() error
}

// Change is one written or deleted resource. After is nil for a deletion.
type Change struct {
	Ref   Ref
	After Resource
}

// PolicyCommit is all that one change of the policy writes.
type PolicyCommit struct {
	Revision int64     // the one read
	At       time.Time // to the millisecond
	Emptied  bool
	Changes  []Change
	Audit    []AuditEntry // appended in the same commit
}

// Policy is all resources and credentials at one revision.
type Policy struct {
	// Lineage is drawn when a store is made, and anew by Reset.
	Lineage  [16]byte
	Revision int64 // 0 for a store never written to
	// ChangedAt is the At of the last commit; zero where there was none that told it.
	ChangedAt time.Time
	// Emptied says that it served something until somebody took the last away.
	Emptied   bool
	Resources []Resource
}

// PolicyStore keeps resources and credentials as one versioned whole.
type PolicyStore interface {
	// LoadPolicy reads everything at one revision.
	LoadPolicy(ctx context.Context) (*Policy, error)
	// PolicyRevision is the current revision; cheap enough to be asked often.
	PolicyRevision(ctx context.Context) (int64, error)
	// CommitPolicy writes a change as the next revision and returns that, or
	// returns ErrRevision and writes nothing where the current revision is another.
	CommitPolicy(ctx context.Context, commit PolicyCommit) (revision int64, err error)
}

// PeopleStore keeps members, invitations and sessions. Emails are lower case.
// What a method appends to the audit log it appends in the same commit.
type PeopleStore interface {
	Account(ctx context.Context, email string) (*Account, error) // ErrMissing
	// AccountsOf lists those of the emails that exist, by email.
	AccountsOf(ctx context.Context, emails []string) ([]Account, error)
	// PutAccount stores the account with its Revision raised by one, or returns
	// ErrRevision where the stored one has another: 0 is one not stored yet.
	PutAccount(ctx context.Context, account *Account, audit ...AuditEntry) error

	// Memberships lists those of a partner, of an email, or of both; at least
	// one of the two is given. Ordered by partner, then email.
	Memberships(ctx context.Context, partner, email string) ([]Membership, error)
	PutMembership(ctx context.Context, m Membership, audit ...AuditEntry) error
	DeleteMembership(ctx context.Context, partner, email string, audit ...AuditEntry) error // nil where there was none

	InvitationStore
	SessionStore
}

// InvitationStore keeps who may become a member by a link. There is one for a
// partner and email at most.
type InvitationStore interface {
	Invitation(ctx context.Context, digest [32]byte, now time.Time) (*Invitation, error) // ErrMissing, also once expired
	// Invitations lists a partner's, by email; also expired ones.
	Invitations(ctx context.Context, partner string) ([]Invitation, error)
	// PutInvitation replaces the one for the same partner and email.
	PutInvitation(ctx context.Context, i Invitation, audit ...AuditEntry) error
	DeleteInvitation(ctx context.Context, partner, email string, audit ...AuditEntry) error // nil where there was none
	// AcceptInvitation deletes the invitation and stores membership and account,
	// all or nothing. It returns ErrMissing where the invitation is gone, and
	// ErrRevision as PutAccount does: of two who accept one, one succeeds.
	AcceptInvitation(ctx context.Context, digest [32]byte, account *Account, m Membership, audit ...AuditEntry) error
}

// SessionStore keeps the portal's logins.
type SessionStore interface {
	Session(ctx context.Context, digest [32]byte, now time.Time) (*Session, error) // ErrMissing, also once expired
	PutSession(ctx context.Context, s *Session) error
	KeepSession(ctx context.Context, s *Session) error // is PutSession for one that is there; nothing where it was deleted
	DeleteSession(ctx context.Context, digest [32]byte) error
	DeleteExpiredSessions(ctx context.Context, now time.Time) error
}

// TokenStore keeps the named tokens of the admin API. None is ever deleted, so
// that a name in the audit log stands for one token for ever.
type TokenStore interface {
	// AdminToken finds a token by the SHA-256 of its text; also one that has
	// expired or was revoked. ErrMissing where there is none.
	AdminToken(ctx context.Context, digest [32]byte) (*AdminToken, error)
	// AdminTokens lists all, by name.
	AdminTokens(ctx context.Context) ([]AdminToken, error)
	// PutAdminToken stores the token with its Revision raised by one, or returns
	// ErrRevision where the stored one of that name has another: 0 is one not
	// stored yet. LastUsedAt is not written.
	PutAdminToken(ctx context.Context, token *AdminToken, audit ...AuditEntry) error
	// NoteTokenUse sets LastUsedAt where that is later than what is stored; the Revision stays.
	NoteTokenUse(ctx context.Context, name string, at time.Time) error
}

// AuditStore keeps who changed what. Entries are appended, here or in the
// commit of what they tell of, never changed, and deleted for their age alone.
type AuditStore interface {
	// AddAudit appends entries of what is stored nowhere else, and imports.
	AddAudit(ctx context.Context, entries []AuditEntry) error
	// Audit lists the newest first; among equal times, what was appended later
	// is newer. A Limit below 1 means 100.
	Audit(ctx context.Context, q AuditQuery) (*AuditPage, error)
	// DeleteAuditBefore drops entries older than t, in bounded steps as DeleteUsageBefore.
	DeleteAuditBefore(ctx context.Context, t time.Time) error
}

// Mark counts once for its ID under its Key, until Until.
type Mark struct {
	Key, ID string
	Until   time.Time
	Most    int // how many IDs may be marked under Key at once; 0 is no bound
}

// MarkStore counts what all managers must count together, such as failed logins.
type MarkStore interface {
	// TakeMarks stores all marks, each ID with the later of the two ends where it
	// is marked already. Where one is not marked yet and its Key has Most IDs or
	// more that are marked after now, it stores none and returns when so many of
	// these have ended that there is room; the latest where several Keys are full.
	// Of calls at once, on several managers too, no more are taken than there is
	// room for.
	TakeMarks(ctx context.Context, now time.Time, marks []Mark) (free time.Time, err error)
	// Marks counts the IDs under each key that are marked after now, in the order of keys.
	Marks(ctx context.Context, now time.Time, keys ...string) ([]int, error)
	// MarkedIDs lists the IDs under a key that are marked after now, sorted.
	MarkedIDs(ctx context.Context, now time.Time, key string) ([]string, error)
	// DeleteMarks deletes marks by Key and ID; one without ID stands for all of its Key.
	DeleteMarks(ctx context.Context, marks []Mark, audit ...AuditEntry) error
	DeleteExpiredMarks(ctx context.Context, now time.Time) error
}

// BackupStore is what package backup needs beyond the rest, to write a store
// out and in as a whole.
type BackupStore interface {
	// Accounts lists all, by email.
	Accounts(ctx context.Context) ([]Account, error)
	// AllBuckets lists all, by id.
	AllBuckets(ctx context.Context) ([]Bucket, error)
	// Reset deletes everything, draws a new lineage, and sets the policy's
	// revision. Where it fails, some may be deleted and some not; the policy is
	// the first to go.
	Reset(ctx context.Context, revision int64) error
}

// UsageStore answers what was called. It is written by CommitSync alone.
type UsageStore interface {
	// UsageSums groups and sums; ordered by the group's values.
	UsageSums(ctx context.Context, q UsageQuery) ([]UsageSum, error)
	Requests(ctx context.Context, q RequestQuery) (*RequestPage, error)
	// CredentialUses returns when each credential of a partner was last
	// admitted or refused, by public id. Unused ones are absent.
	CredentialUses(ctx context.Context, partner string) (map[string]time.Time, error)
	// DeleteUsageBefore drops usage of hours, and logged requests, that were over
	// before the times given. It goes in bounded steps, each atomic, so that it holds up nobody.
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
	Batch         []byte    `json:",omitempty"` // digest of that batch; empty where an older manager stored it
	Reply         []byte    // the answer to it, given again to a retry
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
