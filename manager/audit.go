package manager

import "time"

// ActorKind says what sort of actor a name in the audit log is.
type ActorKind string

// The kinds of actors.
const (
	ActorToken  ActorKind = "token"  // a token of the admin API, by its name
	ActorMember ActorKind = "member" // a member in the portal, by email
	ActorSystem ActorKind = "system" // the manager itself, such as at its start
)

// AuditEntry tells of one change. It holds no secret and no digest of one.
type AuditEntry struct {
	Time          time.Time
	Actor         string
	ActorKind     ActorKind
	OnBehalfOf    Owner  // file where documents were applied, else api or portal
	Address       string // the peer's IP address; empty for the manager itself
	RequestID     string
	Action        string // such as created, updated, deleted, revoked
	Kind          Kind   // also Member, Invitation, Token and Login
	Partner       string // of a Partner: itself
	Name          string
	Product       string // that the resource is or subscribes to; empty where there is none
	Before        []byte // JSON; empty where there was nothing
	After         []byte // JSON; empty where nothing is left
	PolicyVersion int64  // that the change made; 0 for what is no policy
}

// AuditQuery selects entries of [From, To); empty fields select all.
type AuditQuery struct {
	Actor    string
	Kind     Kind
	Partner  string
	Name     string
	Products []string // of one of these products; nil: all entries
	From, To time.Time
	Limit    int
	Cursor   string // from the page before; empty for the first
}

// AuditPage is one page of the log; Next is empty on the last.
type AuditPage struct {
	Items []AuditEntry
	Next  string
}
