package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// InviteMember makes email a member of partner with a role, or gives the member
// that role. It is for operators: members invite by link, see Invite.
func (s *Service) InviteMember(ctx context.Context, actor Actor, partner, email string, role Role) error {
	if err := s.authorize(ctx, actor, partner, RoleAdmin); err != nil {
		return err
	}
	email = normalEmail(email)
	if err := checkMember(email, role); err != nil {
		return err
	}
	there, err := s.membership(ctx, partner, email)
	if err != nil {
		return err
	}
	switch {
	case there == nil && actor.Owner == OwnerPortal:
		return &Error{Code: CodeForbidden, Message: "members join by a link that they open themselves; invite " + shortened(email)}
	case there == nil:
		m := Membership{Partner: partner, Email: email, Role: role, CreatedAt: *s.timestamp()}
		return s.putMember(ctx, m, s.memberEntry(ctx, actor, string(ActionCreated), partner, email, "", role))
	case there.Role != role:
		return s.changeRole(ctx, actor, *there, role)
	}
	return nil
}

func (s *Service) changeRole(ctx context.Context, actor Actor, m Membership, next Role) error {
	if err := s.keepsAdmin(ctx, actor, m, next); err != nil {
		return err
	}
	if next != RoleAdmin {
		if err := s.dropInvitationsBy(ctx, actor, m.Partner, m.Email); err != nil {
			return err
		}
	}
	e := s.memberEntry(ctx, actor, string(ActionUpdated), m.Partner, m.Email, m.Role, next)
	m.Role = next
	return s.putMember(ctx, m, e)
}

func checkMember(email string, role Role) error {
	var p problems
	checkEmail(email, "email", &p)
	oneOf(role, "role", &p, RoleAdmin, RoleDeveloper, RoleViewer)
	return p.err("the member is not valid")
}

// keepsAdmin refuses people of the portal to take away their partner's last
// admin: nobody there could undo it.
func (s *Service) keepsAdmin(ctx context.Context, actor Actor, m Membership, next Role) error {
	if actor.Owner != OwnerPortal || m.Role != RoleAdmin || next == RoleAdmin {
		return nil
	}
	all, err := s.memberships(ctx, m.Partner)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Role == RoleAdmin && other.Email != m.Email {
			return nil
		}
	}
	return &Error{Code: CodeConflict, Message: m.Email + " is the only administrator; make somebody else one first"}
}

// RemoveMember ends a membership, the invitation of somebody who has not joined
// yet, and all that the member has invited; CodeNotFound where there is neither.
// The person keeps its account and its other memberships.
func (s *Service) RemoveMember(ctx context.Context, actor Actor, partner, email string) error {
	if err := s.authorize(ctx, actor, partner, RoleAdmin); err != nil {
		return err
	}
	email = normalEmail(email)
	m, err := s.membership(ctx, partner, email)
	if err != nil {
		return err
	}
	if m == nil {
		dropped, err := s.dropInvitation(ctx, actor, partner, email)
		if err == nil && !dropped {
			return noMember(partner, email)
		}
		return err
	}
	if err := s.keepsAdmin(ctx, actor, *m, ""); err != nil {
		return err
	}
	// What the member has invited goes first: else a link could still be used
	// when the member is gone.
	if err := s.dropInvitationsBy(ctx, actor, partner, email); err != nil {
		return err
	}
	e := s.memberEntry(ctx, actor, string(ActionDeleted), partner, email, m.Role, "")
	if err := s.store.DeleteMembership(ctx, partner, email, e); err != nil {
		return s.unavailable("DeleteMembership", err)
	}
	_, err = s.dropInvitation(ctx, actor, partner, email) // a link must not bring back who was removed
	return err
}

func noMember(partner, email string) error {
	return &Error{Code: CodeNotFound, Message: fmt.Sprintf("%s has no member %s; invite the member first", partner, shortened(email))}
}

// authorize lets operators pass, and people of the portal whose membership of
// the partner has at least that role. To others the partner does not exist.
func (s *Service) authorize(ctx context.Context, actor Actor, partner string, least Role) error {
	if err := actor.Grant.unconfined("keys or members"); err != nil {
		return err
	}
	if err := s.partnerExists(partner); err != nil || actor.Owner != OwnerPortal {
		return err
	}
	m, err := s.membership(ctx, partner, normalEmail(actor.Name))
	switch {
	case err != nil:
		return err
	case m == nil:
		return notFound(Ref{Kind: KindPartner, Name: partner})
	case rank(m.Role) < rank(least):
		return &Error{Code: CodeForbidden, Message: fmt.Sprintf("your role here is %s; this takes %s", m.Role, least)}
	}
	return nil
}

func rank(r Role) int { return slices.Index([]Role{RoleViewer, RoleDeveloper, RoleAdmin}, r) }

func (s *Service) partnerExists(partner string) error {
	if _, exists := s.current().partner(partner); !exists {
		return notFound(Ref{Kind: KindPartner, Name: partner})
	}
	return nil
}

func (s *Service) memberExists(ctx context.Context, partner, email string) error {
	m, err := s.membership(ctx, partner, email)
	if err == nil && m == nil {
		return noMember(partner, email)
	}
	return err
}

// membership returns nil where there is none.
func (s *Service) membership(ctx context.Context, partner, email string) (*Membership, error) {
	found, err := s.store.Memberships(ctx, partner, email)
	if err != nil {
		return nil, s.unavailable("Memberships", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}

// putMember stores a membership, and an account where the person has none.
func (s *Service) putMember(ctx context.Context, m Membership, audit ...AuditEntry) error {
	_, err := s.store.Account(ctx, m.Email)
	if errors.Is(err, ErrMissing) {
		err = s.store.PutAccount(ctx, &Account{Email: m.Email, CreatedAt: m.CreatedAt})
	}
	if err != nil && !errors.Is(err, ErrRevision) { // another has just made the same account
		return s.unavailable("Account", err)
	}
	if err := s.store.PutMembership(ctx, m, audit...); err != nil {
		return s.unavailable("PutMembership", err)
	}
	return nil
}

// normalEmail is the form in which addresses are stored and compared.
func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
