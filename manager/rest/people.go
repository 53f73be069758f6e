package rest

import (
	"encoding/json"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Member is somebody who belongs to a partner, or is invited to.
type Member struct {
	Email       string              `json:"email"`
	Role        manager.Role        `json:"role"`
	State       manager.MemberState `json:"state"`
	CreatedAt   time.Time           `json:"created_at"`
	LastLoginAt *time.Time          `json:"last_login_at,omitempty"`
	Invitation  *Invitation         `json:"invitation,omitempty"` // a link that can still be opened
}

// Invitation is a link by which somebody joins or sets a first password.
type Invitation struct {
	Link      string    `json:"link,omitempty"` // only in the answer to its making
	InvitedBy string    `json:"invited_by,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
}

// MemberRequest makes somebody a member, or changes the role; the answer is a Member.
type MemberRequest struct {
	Email string       `json:"email"`
	Role  manager.Role `json:"role,omitempty"` // empty: developer
}

// PasswordRequest sets a member's password.
type PasswordRequest struct {
	Password string `json:"password"`
}

// Unlock asks to forget failed logins of a member or from an address: one of the two.
type Unlock struct {
	Email   string `json:"email,omitempty"`
	Address string `json:"address,omitempty"`
}

// Unlocked tells how many failed logins are forgotten.
type Unlocked struct {
	Failures int `json:"failures"`
}

// Token is a named token of the admin API: never its text or its digest.
type Token struct {
	Name       string            `json:"name"`
	Role       manager.TokenRole `json:"role"`
	Teams      []string          `json:"teams,omitempty"`
	State      string            `json:"state"`
	CreatedBy  string            `json:"created_by"`
	CreatedAt  time.Time         `json:"created_at"`
	ExpiresAt  *time.Time        `json:"expires_at,omitempty"`
	RevokedAt  *time.Time        `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time        `json:"last_used_at,omitempty"`
}

// TokenRequest asks for a named token; the answer is a manager.NewToken.
type TokenRequest struct {
	Name      string            `json:"name"`
	Role      manager.TokenRole `json:"role"`
	Teams     []string          `json:"teams,omitzero"`       // nil: not confined
	ExpiresIn string            `json:"expires_in,omitempty"` // such as 720h or 30d; empty: never
}

// AuditEntry is one change of the audit log.
type AuditEntry struct {
	Time          time.Time         `json:"time"`
	Actor         string            `json:"actor"`
	ActorKind     manager.ActorKind `json:"actor_kind"`
	OnBehalfOf    manager.Owner     `json:"on_behalf_of"`
	Address       string            `json:"address,omitempty"`
	RequestID     string            `json:"request_id,omitempty"`
	Action        string            `json:"action"`
	Kind          manager.Kind      `json:"kind"`
	Partner       string            `json:"partner,omitempty"`
	Name          string            `json:"name"`
	Product       string            `json:"product,omitempty"`
	Before        json.RawMessage   `json:"before,omitempty"`
	After         json.RawMessage   `json:"after,omitempty"`
	PolicyVersion int64             `json:"policy_version,omitempty"`
}
