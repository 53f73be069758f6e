package manager

import (
	"context"
	"errors"
	"fmt"
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
	if err := checkNewPassword(normalEmail(actor.Name), password); err != nil {
		return err
	}
	if _, err := s.checkPassword(ctx, actor.Name, current); err != nil {
		return err
	}
	return s.SetPassword(ctx, actor, partner, actor.Name, password)
}

func (s *Service) storePassword(ctx context.Context, actor Actor, partner, email, password string) error {
	if err := checkNewPassword(email, password); err != nil {
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

// checkNewPassword refuses what is no password for a member; email is a normal one.
func checkNewPassword(email, password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return invalid("password", fmt.Sprintf("must have %d to %d characters", minPassword, maxPassword))
	}
	if normalEmail(password) == email {
		return invalid("password", "must not be the e-mail address, which others know")
	}
	return nil
}
