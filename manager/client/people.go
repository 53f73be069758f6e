package client

import (
	"context"
	"net/http"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// Members lists the members of a partner.
func (c *Client) Members(ctx context.Context, partner string) ([]rest.Member, error) {
	return listAll[rest.Member](ctx, c, []string{"partners", partner, "members"}, nil)
}

// InviteMember makes email a member of partner, or changes its role. The answer
// has a link for who has no password yet.
func (c *Client) InviteMember(ctx context.Context, partner, email string, role manager.Role) (*rest.Member, error) {
	member := &rest.Member{}
	body := rest.MemberRequest{Email: email, Role: role}
	return member, c.do(ctx, call{method: http.MethodPost, path: []string{"partners", partner, "members"}, body: body}, member)
}

// RemoveMember ends a membership, or the invitation of somebody who has not joined.
func (c *Client) RemoveMember(ctx context.Context, partner, email string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: []string{"partners", partner, "members", email}}, nil)
}

// SetPassword sets the password of a member.
func (c *Client) SetPassword(ctx context.Context, partner, email, password string) error {
	path := []string{"partners", partner, "members", email, "password"}
	return c.do(ctx, call{method: http.MethodPut, path: path, body: rest.PasswordRequest{Password: password}}, nil)
}

// UnlockLogin forgets failed logins of a member or from an address, one of
// which is empty, and returns how many there were.
func (c *Client) UnlockLogin(ctx context.Context, email, address string) (failures int, err error) {
	var answer rest.Unlocked
	body := rest.Unlock{Email: email, Address: address}
	err = c.do(ctx, call{method: http.MethodPost, path: []string{"logins", "unlock"}, body: body}, &answer)
	return answer.Failures, err
}
