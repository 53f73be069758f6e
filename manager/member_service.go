package manager

import (
	"context"
	"slices"
	"strings"
)

// Members lists the members of a partner, by email.
func (s *Service) Members(ctx context.Context, partner string) ([]Membership, error) {
	if err := s.partnerExists(partner); err != nil {
		return nil, err
	}
	return s.memberships(ctx, partner)
}

// Roster lists who belongs to a partner and who is invited to, by email.
func (s *Service) Roster(ctx context.Context, partner string) ([]Member, error) {
	joined, err := s.Members(ctx, partner)
	if err != nil {
		return nil, err
	}
	invitations, err := s.validInvitations(ctx, partner, joined)
	if err != nil {
		return nil, err
	}
	members := withInvitations(joined, invitations)
	return members, s.addAccounts(ctx, members)
}

func (s *Service) memberships(ctx context.Context, partner string) ([]Membership, error) {
	all, err := s.store.Memberships(ctx, partner, "")
	if err != nil {
		return nil, s.unavailable("Memberships", err)
	}
	return all, nil
}

// withInvitations are the members and those who are not yet, by email. Nobody
// is active until there is an account with a password.
func withInvitations(joined []Membership, invitations []Invitation) []Member {
	members := make([]Member, 0, len(joined)+len(invitations))
	for _, m := range joined {
		members = append(members, Member{Membership: m, Joined: true, State: MemberInvited})
	}
	for _, i := range invitations {
		at := slices.IndexFunc(members, func(m Member) bool { return m.Email == i.Email })
		if at < 0 {
			at = len(members)
			m := Membership{Partner: i.Partner, Email: i.Email, Role: i.Role, CreatedAt: i.CreatedAt}
			members = append(members, Member{Membership: m, State: MemberInvited})
		}
		members[at].Invitation = &i
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Email, b.Email) })
	return members
}

// addAccounts notes who can log in, and when each last did.
func (s *Service) addAccounts(ctx context.Context, members []Member) error {
	at := map[string]int{}
	var emails []string
	for i, m := range members {
		if m.Joined {
			at[m.Email], emails = i, append(emails, m.Email)
		}
	}
	accounts, err := s.store.AccountsOf(ctx, emails)
	if err != nil {
		return s.unavailable("AccountsOf", err)
	}
	for _, a := range accounts {
		m := &members[at[a.Email]]
		m.LastLoginAt = a.LastLoginAt
		if a.PasswordHash != "" {
			m.State = MemberActive
		}
	}
	return nil
}

// Enroll is InviteMember for operators who hand out links: who has no password
// yet gets one that sets it, which is nil for all others.
func (s *Service) Enroll(ctx context.Context, actor Actor, partner, email string, role Role) (*Member, *NewInvitation, error) {
	if err := s.InviteMember(ctx, actor, partner, email, role); err != nil {
		return nil, nil, err
	}
	members, err := s.Roster(ctx, partner)
	if err != nil {
		return nil, nil, err
	}
	at := slices.IndexFunc(members, func(m Member) bool { return m.Joined && m.Email == normalEmail(email) })
	if at < 0 {
		return nil, nil, noMember(partner, email) // removed in this moment
	}
	m := &members[at]
	if m.State == MemberActive {
		_, err := s.dropInvitation(ctx, actor, partner, m.Email) // one that is not needed any more
		return m, nil, err
	}
	link, err := s.Invite(ctx, actor, partner, email, role)
	return m, link, err
}
