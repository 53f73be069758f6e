package manager

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// invitationKept is for how long a link can be opened.
const invitationKept = 72 * time.Hour

// NewInvitation is an invitation on the one occasion on which its token is shown.
type NewInvitation struct {
	Token     string
	Email     string
	Role      Role
	ExpiresAt time.Time
}

// InvitationView is an invitation as whoever has its link sees it. It does not
// say whether the person has a login: admins, who make links, could ask about anybody.
type InvitationView struct {
	Partner   *Partner
	Email     string
	Role      Role
	ExpiresAt time.Time
}

// Link is where the invited person opens the invitation, in the portal at publicURL.
func (i *NewInvitation) Link(publicURL string) string {
	return publicURL + "/invitation?" + url.Values{"token": {i.Token}}.Encode()
}

func errInvitation() error {
	return &Error{Code: CodeNotFound, Message: "This link is not valid any more: it has been used, replaced or taken back, it is older than 72 hours, or who made it is no administrator any more. Ask an administrator of your company for a new one."}
}

// Invite makes the link by which email becomes a member; it replaces an earlier
// one. For a member who never had a password it is the link that sets one.
func (s *Service) Invite(ctx context.Context, actor Actor, partner, email string, role Role) (*NewInvitation, error) {
	if err := s.authorize(ctx, actor, partner, RoleAdmin); err != nil {
		return nil, err
	}
	email = normalEmail(email)
	if err := checkMember(email, role); err != nil {
		return nil, err
	}
	if m, err := s.membership(ctx, partner, email); err != nil {
		return nil, err
	} else if m != nil {
		if role, err = m.Role, s.neverLoggedIn(ctx, email); err != nil {
			return nil, err
		}
	}
	token := randomText(tokenLength, tokenAlphabet)
	now := *s.timestamp()
	i := Invitation{Digest: sha256.Sum256([]byte(token)), Partner: partner, Email: email, Role: role, InvitedBy: actor.Name,
		OnBehalfOf: actor.Owner, CreatedAt: now, ExpiresAt: now.Add(invitationKept)}
	if err := s.store.PutInvitation(ctx, i, s.invitationEntry(ctx, actor, actionInvited, i)); err != nil {
		return nil, s.unavailable("PutInvitation", err)
	}
	return &NewInvitation{Token: token, Email: email, Role: role, ExpiresAt: i.ExpiresAt}, nil
}

// neverLoggedIn refuses a link for a member who has a password: whoever made it
// could take over the login.
func (s *Service) neverLoggedIn(ctx context.Context, email string) error {
	account, err := s.store.Account(ctx, email)
	if err != nil && !errors.Is(err, ErrMissing) {
		return s.unavailable("Account", err)
	}
	if account != nil && account.PasswordHash != "" {
		return &Error{Code: CodeConflict, Message: email + " is a member already and has a password; the operator can set a new one"}
	}
	return nil
}

func (s *Service) invitationEntry(ctx context.Context, actor Actor, action string, i Invitation) AuditEntry {
	e := s.entry(ctx, actor, action, Ref{KindInvitation, i.Partner, i.Email})
	document := auditJSON(map[string]any{"role": i.Role, "expires_at": i.ExpiresAt})
	if action == actionInvited {
		e.After = document
	} else {
		e.Before = document
	}
	return e
}

// Invitations lists a partner's invitations that can still be accepted, by email.
func (s *Service) Invitations(ctx context.Context, actor Actor, partner string) ([]Invitation, error) {
	if err := s.authorize(ctx, actor, partner, RoleAdmin); err != nil {
		return nil, err
	}
	members, err := s.memberships(ctx, partner)
	if err != nil {
		return nil, err
	}
	return s.validInvitations(ctx, partner, members)
}

// validInvitations are those of a partner that can still be accepted.
func (s *Service) validInvitations(ctx context.Context, partner string, members []Membership) (valid []Invitation, err error) {
	all, err := s.store.Invitations(ctx, partner)
	if err != nil {
		return nil, s.unavailable("Invitations", err)
	}
	for _, i := range all {
		if s.now().Before(i.ExpiresAt) && stands(i, members) {
			valid = append(valid, i)
		}
	}
	return valid, nil
}

// stands tells whether who made an invitation could still make it: an operator,
// or one of the members who is an admin.
func stands(i Invitation, members []Membership) bool {
	return i.OnBehalfOf == OwnerAPI || slices.ContainsFunc(members, func(m Membership) bool {
		return m.Email == i.InvitedBy && m.Role == RoleAdmin
	})
}

// CancelInvitation takes an invitation back; CodeNotFound where there is none.
func (s *Service) CancelInvitation(ctx context.Context, actor Actor, partner, email string) error {
	all, err := s.Invitations(ctx, actor, partner)
	if err != nil {
		return err
	}
	email = normalEmail(email)
	if !slices.ContainsFunc(all, func(i Invitation) bool { return i.Email == email }) {
		return &Error{Code: CodeNotFound, Message: fmt.Sprintf("%s has not invited %s", partner, shortened(email))}
	}
	_, err = s.dropInvitation(ctx, actor, partner, email)
	return err
}

// dropInvitation deletes the invitation of an email, also an expired one; false where there is none.
func (s *Service) dropInvitation(ctx context.Context, actor Actor, partner, email string) (dropped bool, err error) {
	return s.dropInvitations(ctx, actor, partner, func(i Invitation) bool { return i.Email == email })
}

// dropInvitationsBy deletes what a member has invited.
func (s *Service) dropInvitationsBy(ctx context.Context, actor Actor, partner, member string) error {
	_, err := s.dropInvitations(ctx, actor, partner, func(i Invitation) bool { return i.OnBehalfOf != OwnerAPI && i.InvitedBy == member })
	return err
}

func (s *Service) dropInvitations(ctx context.Context, actor Actor, partner string, which func(Invitation) bool) (dropped bool, err error) {
	all, err := s.store.Invitations(ctx, partner)
	if err != nil {
		return false, s.unavailable("Invitations", err)
	}
	for _, i := range all {
		if !which(i) {
			continue
		}
		if err := s.store.DeleteInvitation(ctx, partner, i.Email, s.invitationEntry(ctx, actor, string(ActionDeleted), i)); err != nil {
			return dropped, s.unavailable("DeleteInvitation", err)
		}
		dropped = true
	}
	return dropped, nil
}

// InvitationOf is the invitation of a link's token; CodeNotFound where it is not valid.
func (s *Service) InvitationOf(ctx context.Context, token string) (*InvitationView, error) {
	i, partner, err := s.invited(ctx, token)
	if err != nil {
		return nil, err
	}
	return &InvitationView{Partner: partner, Email: i.Email, Role: i.Role, ExpiresAt: i.ExpiresAt}, nil
}

// invited returns a valid invitation and its partner.
func (s *Service) invited(ctx context.Context, token string) (*Invitation, *Partner, error) {
	i, err := s.store.Invitation(ctx, sha256.Sum256([]byte(token)), s.now())
	if errors.Is(err, ErrMissing) {
		return nil, nil, errInvitation()
	}
	if err != nil {
		return nil, nil, s.unavailable("Invitation", err)
	}
	members, err := s.memberships(ctx, i.Partner)
	if err != nil {
		return nil, nil, err
	}
	p, exists := s.current().partner(i.Partner)
	if !exists || !stands(*i, members) {
		return nil, nil, errInvitation()
	}
	return i, p.partner, nil
}

// AcceptInvitation makes the invited person a member, once, and returns its
// login. Password becomes that of a person who has none; it must be the
// password of one who has, since the link proves only that somebody was
// invited, not who opens it. For the same reason the link sets no password for
// somebody who is a member elsewhere, unless an operator has made it; that is
// answered like a wrong password, so that it tells nothing of other partners.
func (s *Service) AcceptInvitation(ctx context.Context, token, password string) (*Login, error) {
	i, _, err := s.invited(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := checkNewPassword(i.Email, password); err != nil { // before anything depends on whether there is one: none is so
		return nil, err
	}
	account, err := s.invitedAccount(ctx, i, password)
	if err != nil {
		return nil, err
	}
	m, err := s.acceptedMembership(ctx, i)
	if err != nil {
		return nil, err
	}
	e := s.memberEntry(ctx, Actor{Name: i.Email, Owner: OwnerPortal}, actionAccepted, i.Partner, i.Email, "", m.Role)
	err = s.store.AcceptInvitation(ctx, i.Digest, account, *m, e)
	switch {
	case errors.Is(err, ErrMissing):
		return nil, errInvitation()
	case errors.Is(err, ErrRevision):
		return nil, &Error{Code: CodeConflict, Message: "Your login has changed in this moment. Open the link again."}
	case err != nil:
		return nil, s.unavailable("AcceptInvitation", err)
	}
	return s.login(ctx, account)
}

// invitedAccount is the account that joins, as it will be: with the password,
// which is checked where it is not for the link to set.
func (s *Service) invitedAccount(ctx context.Context, i *Invitation, password string) (*Account, error) {
	stored, err := s.store.Account(ctx, i.Email)
	if errors.Is(err, ErrMissing) {
		stored, err = &Account{Email: i.Email, CreatedAt: *s.timestamp()}, nil
	}
	if err != nil {
		return nil, s.unavailable("Account", err)
	}
	account := *stored
	account.LastLoginAt = s.timestamp()
	theirs, err := s.needsProof(ctx, i, stored)
	switch {
	case err != nil:
		return nil, err
	case theirs:
		_, err = s.checkPassword(ctx, i.Email, password)
	default:
		account.PasswordHash, err = s.passwords.hash(ctx, password)
	}
	return &account, err
}

// needsProof tells whether more hangs on a login than the link may give away.
func (s *Service) needsProof(ctx context.Context, i *Invitation, account *Account) (bool, error) {
	if account.PasswordHash != "" || i.OnBehalfOf == OwnerAPI {
		return account.PasswordHash != "", nil
	}
	all, err := s.store.Memberships(ctx, "", i.Email)
	if err != nil {
		return false, s.unavailable("Memberships", err)
	}
	return slices.ContainsFunc(all, func(m Membership) bool { return m.Partner != i.Partner }), nil
}

// acceptedMembership keeps the role of one who is a member already.
func (s *Service) acceptedMembership(ctx context.Context, i *Invitation) (*Membership, error) {
	there, err := s.membership(ctx, i.Partner, i.Email)
	if err != nil || there != nil {
		return there, err
	}
	return &Membership{Partner: i.Partner, Email: i.Email, Role: i.Role, CreatedAt: *s.timestamp()}, nil
}
