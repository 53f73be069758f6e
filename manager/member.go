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
	Digest    [32]byte // SHA-256 of the link's token
	Partner   string
	Email     string
	Role      Role
	InvitedBy string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Session is one login of the portal, stored under the SHA-256 of its token.
type Session struct {
	TokenDigest [32]byte
	Data        []byte
	ExpiresAt   time.Time
}
