package manager

import "context"

// Login is a person with its memberships of partners that exist.
type Login struct {
	Account     *Account
	Memberships []Membership
}

// Authenticate checks a password. Unknown member and wrong password cost and answer the same.
func (s *Service) Authenticate(ctx context.Context, email, password string) (*Login, error) {
	return nil, errUnbuilt()
}

// Login returns the person of a session with its current memberships.
func (s *Service) Login(ctx context.Context, email string) (*Login, error) { return nil, errUnbuilt() }

// Members lists the members of a partner.
func (s *Service) Members(ctx context.Context, partner string) ([]Membership, error) {
	return nil, errUnbuilt()
}

// InviteMember makes email a member of partner with a role, or changes its role.
func (s *Service) InviteMember(ctx context.Context, actor Actor, partner, email string, role Role) error {
	return errUnbuilt()
}

// RemoveMember ends a membership.
func (s *Service) RemoveMember(ctx context.Context, actor Actor, partner, email string) error {
	return errUnbuilt()
}

// SetPassword sets the password of a member; 12 to 256 characters.
func (s *Service) SetPassword(ctx context.Context, actor Actor, partner, email, password string) error {
	return errUnbuilt()
}
