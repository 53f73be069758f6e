package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Token is a named token as the API shows it.
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

// CreateToken makes a named token; expiresIn, such as 720h, may be empty.
func (c *Client) CreateToken(ctx context.Context, name string, role manager.TokenRole, teams []string, expiresIn string) (*manager.NewToken, error) {
	body := map[string]any{"name": name, "role": role}
	if len(teams) > 0 {
		body["teams"] = teams
	}
	if expiresIn != "" {
		body["expires_in"] = expiresIn
	}
	token := &manager.NewToken{}
	return token, c.do(ctx, call{method: http.MethodPost, path: []string{"tokens"}, body: body}, token)
}

// Tokens lists the named tokens, also those that ended.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	return listAll[Token](ctx, c, []string{"tokens"}, nil)
}

// RevokeToken ends a token at once.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: []string{"tokens", name}}, nil)
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

// AuditPage is one page of the audit log, newest first.
type AuditPage struct {
	Items      []AuditEntry `json:"items"`
	NextCursor string       `json:"next_cursor"`
}

// Audit asks who changed what; query has the parameters of GET /api/v1/audit.
func (c *Client) Audit(ctx context.Context, query url.Values) (*AuditPage, error) {
	page := &AuditPage{}
	return page, c.do(ctx, call{method: http.MethodGet, path: []string{"audit"}, query: query}, page)
}
