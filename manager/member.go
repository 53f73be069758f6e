package manager

import "time"

// Role is what a member may do for its partner.
type Role string

// The roles: a viewer reads, a developer also makes keys, an admin also manages members.
const (
	RoleAdmin     Role = "admin"
	RoleDeveloper Role = "developer"
	RoleViewer    Role = "viewer"
)

// Account is one person who logs in. Email is lower case.
type Account struct {
	Email        string
	PasswordHash string // argon2id, PHC string; empty until a password is set
	CreatedAt    time.Time
	LastLoginAt  *time.Time
	Revision     int64 // for PeopleStore: 0 for one not stored yet
}

// Membership ties an account to a partner. One account may have several.
type Membership struct {
	Partner   string
	Email     string
	Role      Role
	CreatedAt time.Time
}

// Invitation lets whoever has its link become a member, once.
type Invitation struct {
	Digest     [32]byte // SHA-256 of the link's token
	Partner    string
	Email      string
	Role       Role
	InvitedBy  string
	OnBehalfOf Owner `json:",omitempty"` // api: an operator invited; else a member, and it ends when that one is no admin any more
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// MemberState says whether somebody has begun to log in for a partner.
type MemberState string

// The states of a member: invited are those who have no password yet, and
// those who have a link and have not opened it.
const (
	MemberActive  MemberState = "active"
	MemberInvited MemberState = "invited"
)

// Member is somebody who belongs to a partner, or is invited to.
type Member struct {
	Membership
	Joined      bool // false: there is an invitation and no membership
	State       MemberState
	LastLoginAt *time.Time  // for whichever partner; not for the eyes of other members
	Invitation  *Invitation // that can still be accepted; nil: none
}

// Session is one login of the portal, stored under the SHA-256 of its token.
type Session struct {
	TokenDigest [32]byte
	Data        []byte
	ExpiresAt   time.Time
}
