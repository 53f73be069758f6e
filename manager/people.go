package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Login is a person with its memberships of partners that exist.
type Login struct {
	Account     *Account
	Memberships []Membership
}

// errLogin is the one answer to an unknown member and a wrong password.
func errLogin() error {
	return &Error{Code: CodeUnauthorized, Message: "e-mail or password is wrong"}
}

// Authenticate checks a password. Unknown member and wrong password do the
// same hashing work and get the same CodeUnauthorized; who has failed too often
// gets CodeTooMany, whether member or not.
func (s *Service) Authenticate(ctx context.Context, email, password string) (*Login, error) {
	account, err := s.checkPassword(ctx, email, password)
	if err != nil {
		return nil, err
	}
	account, err = s.updateAccount(ctx, account.Email, func(a *Account) { a.LastLoginAt = s.timestamp() })
	if err != nil {
		return nil, err
	}
	return s.login(ctx, account)
}

// checkPassword returns the account whose password it is.
func (s *Service) checkPassword(ctx context.Context, email, password string) (*Account, error) {
	try := s.newAttempt(ctx, email)
	if err := try.begin(ctx); err != nil {
		return nil, err
	}
	account, err := s.store.Account(ctx, normalEmail(email))
	if err != nil && !errors.Is(err, ErrMissing) {
		try.undo(ctx)
		return nil, s.unavailable("Account", err)
	}
	hash := ""
	if account != nil {
		hash = account.PasswordHash
	}
	right, err := s.passwords.check(ctx, password, hash)
	if err != nil {
		try.undo(ctx)
		return nil, err
	}
	s.metrics.passwordGiven(right)
	if !right {
		return nil, errLogin()
	}
	return account, try.succeed(ctx)
}

// updateAccount changes one account. It reads again where another has written
// meanwhile: a login that hashed for a while must not bring back the password
// that was changed in between.
func (s *Service) updateAccount(ctx context.Context, email string, update func(*Account), audit ...AuditEntry) (*Account, error) {
	for range maxTries {
		stored, err := s.store.Account(ctx, email)
		if err != nil {
			return nil, s.unavailable("Account", err)
		}
		changed := *stored
		update(&changed)
		err = s.store.PutAccount(ctx, &changed, audit...)
		if err == nil {
			return &changed, nil
		}
		if !errors.Is(err, ErrRevision) {
			return nil, s.unavailable("PutAccount", err)
		}
	}
	return nil, &Error{Code: CodeUnavailable, Message: "others keep changing this account at the same time; try again"}
}

// Login returns the person of a session with its current memberships;
// CodeUnauthorized where there is no such person any more.
func (s *Service) Login(ctx context.Context, email string) (*Login, error) {
	account, err := s.store.Account(ctx, normalEmail(email))
	if errors.Is(err, ErrMissing) {
		return nil, errLogin()
	}
	if err != nil {
		return nil, s.unavailable("Account", err)
	}
	return s.login(ctx, account)
}

func (s *Service) login(ctx context.Context, account *Account) (*Login, error) {
	all, err := s.store.Memberships(ctx, "", account.Email)
	if err != nil {
		return nil, s.unavailable("Memberships", err)
	}
	login := &Login{Account: account}
	for _, m := range all {
		if _, exists := s.current().partner(m.Partner); exists {
			login.Memberships = append(login.Memberships, m)
		}
	}
	return login, nil
}

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
	m := Membership{Partner: partner, Email: email, Role: role, CreatedAt: *s.timestamp()}
	if there == nil {
		if actor.Owner == OwnerPortal {
			return &Error{Code: CodeForbidden, Message: "members join by a link that they open themselves; invite " + shortened(email)}
		}
		return s.putMember(ctx, m, s.memberEntry(ctx, actor, string(ActionCreated), partner, email, "", role))
	}
	if there.Role == role {
		return nil
	}
	if err := s.keepsAdmin(ctx, actor, *there, role); err != nil {
		return err
	}
	if role != RoleAdmin {
		if err := s.dropInvitationsBy(ctx, actor, partner, email); err != nil {
			return err
		}
	}
	m.CreatedAt = there.CreatedAt
	return s.putMember(ctx, m, s.memberEntry(ctx, actor, string(ActionUpdated), partner, email, there.Role, role))
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

// SetPassword sets the password of a member, 12 to 256 characters. In the
// portal people set their own only: one who belongs to two partners is not at
// the mercy of either's admin.
func (s *Service) SetPassword(ctx context.Context, actor Actor, partner, email, password string) error {
	email = normalEmail(email)
	if err := s.authorize(ctx, actor, partner, RoleViewer); err != nil {
		return err
	}
	if actor.Owner == OwnerPortal && normalEmail(actor.Name) != email {
		return &Error{Code: CodeForbidden, Message: "members set only their own password; ask the operator"}
	}
	if err := s.memberExists(ctx, partner, email); err != nil {
		return err
	}
	if err := s.storePassword(ctx, actor, partner, email, password); err != nil {
		return err
	}
	_, err := s.dropInvitation(ctx, actor, partner, email) // the link has become needless
	return err
}

// ChangePassword sets a member's own password; who does not know the current
// one is throttled as at the login.
func (s *Service) ChangePassword(ctx context.Context, actor Actor, partner, current, password string) error {
	if err := checkPasswordLength(password); err != nil {
		return err
	}
	if _, err := s.checkPassword(ctx, actor.Name, current); err != nil {
		return err
	}
	return s.SetPassword(ctx, actor, partner, actor.Name, password)
}

func (s *Service) storePassword(ctx context.Context, actor Actor, partner, email, password string) error {
	if err := checkPasswordLength(password); err != nil {
		return err
	}
	hash, err := s.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	e := s.memberEntry(ctx, actor, actionPasswordSet, partner, email, "", "")
	_, err = s.updateAccount(ctx, email, func(a *Account) { a.PasswordHash = hash }, e)
	return err
}

func checkPasswordLength(password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return invalid("password", fmt.Sprintf("must have %d to %d characters", minPassword, maxPassword))
	}
	return nil
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

// seedMembers invites the members that partners' documents name for the first
// time. It runs before the change is stored, so that a manager that dies in
// between invites them again; memberships of a partner that does not exist
// count for nothing.
func (s *Service) seedMembers(ctx context.Context, actor Actor, before *state, changes []Change) error {
	var partners []*Partner
	for _, c := range changes {
		if partner, ok := c.After.(*Partner); ok {
			partners = append(partners, partner)
		}
	}
	// Of thousands several at once, since most of the time is waiting for the store.
	return share(ctx, partners, min(8, 1+len(partners)/100), func(ctx context.Context, partner *Partner) error {
		return s.seedPartner(ctx, actor, before, partner)
	})
}

func (s *Service) seedPartner(ctx context.Context, actor Actor, before *state, partner *Partner) error {
	var known []MemberSeed
	if p, exists := before.partner(partner.Metadata.Name); exists {
		known = p.partner.Spec.Members
	} else if err := s.deleteMemberships(ctx, actor, partner.Metadata.Name); err != nil {
		return err // those of an earlier partner of that name
	}
	for _, seed := range partner.Spec.Members {
		named := func(m MemberSeed) bool { return m.Email == seed.Email }
		if slices.ContainsFunc(known, named) {
			continue
		}
		if err := s.seedMember(ctx, actor, partner.Metadata.Name, seed); err != nil {
			return err
		}
	}
	return nil
}

// share does all items, each of the workers its part of them in order, until
// one fails.
func share[T any](ctx context.Context, items []T, workers int, do func(ctx context.Context, item T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for part := range slices.Chunk(items, max(1, (len(items)+workers-1)/workers)) {
		work.Go(func() {
			for _, item := range part {
				if ctx.Err() != nil {
					return
				}
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	work.Wait()
	return context.Cause(ctx)
}

func (s *Service) seedMember(ctx context.Context, actor Actor, partner string, seed MemberSeed) error {
	there, err := s.membership(ctx, partner, seed.Email)
	if err != nil || there != nil {
		return err
	}
	m := Membership{Partner: partner, Email: seed.Email, Role: seed.Role, CreatedAt: *s.timestamp()}
	return s.putMember(ctx, m, s.memberEntry(ctx, actor, string(ActionCreated), partner, seed.Email, "", seed.Role))
}

// deleteMemberships ends all memberships and invitations of a partner.
func (s *Service) deleteMemberships(ctx context.Context, actor Actor, partner string) error {
	members, err := s.memberships(ctx, partner)
	if err != nil {
		return err
	}
	for _, m := range members {
		e := s.memberEntry(ctx, actor, string(ActionDeleted), partner, m.Email, m.Role, "")
		if err := s.store.DeleteMembership(ctx, partner, m.Email, e); err != nil {
			return s.unavailable("DeleteMembership", err)
		}
	}
	_, err = s.dropInvitations(ctx, actor, partner, func(Invitation) bool { return true })
	return err
}

// normalEmail is the form in which addresses are stored and compared.
func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
