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
}

// Membership ties an account to a partner. One account may have several.
type Membership struct {
	Partner   string
	Email     string
	Role      Role
	CreatedAt time.Time
}

// Session is one login of the portal, stored under the SHA-256 of its token.
type Session struct {
	TokenDigest [32]byte
	Data        []byte
	ExpiresAt   time.Time
}
