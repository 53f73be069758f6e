package manager

import "time"

// TokenRole is what a token of the admin API may do.
type TokenRole string

// The roles of tokens; docs/manager-api.md has the table of what each may do.
const (
	TokenAdmin    TokenRole = "admin"
	TokenOperator TokenRole = "operator"
	TokenAuditor  TokenRole = "auditor"
	TokenSupport  TokenRole = "support"
)

// AdminToken is a named token of the admin API. Its text is never stored.
type AdminToken struct {
	Name       string
	Digest     [32]byte // SHA-256 of the text
	Role       TokenRole
	Teams      []string // provider teams that it is confined to; nil: it is not confined
	CreatedBy  string
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	RevokedAt  *time.Time
	LastUsedAt *time.Time
	Revision   int64 // for TokenStore: 0 for one not stored yet
}
