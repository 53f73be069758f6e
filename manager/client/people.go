package client

import (
	"context"
	"net/http"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Member is one person of a partner.
type Member struct {
	Email     string       `json:"email"`
	Role      manager.Role `json:"role"`
	CreatedAt time.Time    `json:"created_at,omitzero"`
}

// Members lists the members of a partner.
func (c *Client) Members(ctx context.Context, partner string) ([]Member, error) {
	return listAll[Member](ctx, c, []string{"partners", partner, "members"}, nil)
}

// InviteMember makes email a member of partner, or changes its role.
func (c *Client) InviteMember(ctx context.Context, partner, email string, role manager.Role) (*Member, error) {
	member := &Member{}
	body := map[string]string{"email": email, "role": string(role)}
	return member, c.do(ctx, call{method: http.MethodPost, path: []string{"partners", partner, "members"}, body: body}, member)
}

// RemoveMember ends a membership.
func (c *Client) RemoveMember(ctx context.Context, partner, email string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: []string{"partners", partner, "members", email}}, nil)
}

// SetPassword sets the password of a member.
func (c *Client) SetPassword(ctx context.Context, partner, email, password string) error {
	path := []string{"partners", partner, "members", email, "password"}
	return c.do(ctx, call{method: http.MethodPut, path: path, body: map[string]string{"password": password}}, nil)
}
