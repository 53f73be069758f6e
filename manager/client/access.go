package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// CreateToken makes a named token, not confined where teams is nil; expiresIn, such as 720h, may be empty.
func (c *Client) CreateToken(ctx context.Context, name string, role manager.TokenRole, teams []string, expiresIn string) (*manager.NewToken, error) {
	body := rest.TokenRequest{Name: name, Role: role, Teams: teams, ExpiresIn: expiresIn}
	token := &manager.NewToken{}
	return token, c.do(ctx, call{method: http.MethodPost, path: []string{"tokens"}, body: body}, token)
}

// Tokens lists the named tokens, also those that ended.
func (c *Client) Tokens(ctx context.Context) ([]rest.Token, error) {
	return listAll[rest.Token](ctx, c, []string{"tokens"}, nil)
}

// RevokeToken ends a token at once.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: []string{"tokens", name}}, nil)
}

// Audit asks who changed what; query has the parameters of GET /api/v1/audit.
func (c *Client) Audit(ctx context.Context, query url.Values) (*rest.Page[rest.AuditEntry], error) {
	page := &rest.Page[rest.AuditEntry]{}
	return page, c.do(ctx, call{method: http.MethodGet, path: []string{"audit"}, query: query}, page)
}
