package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Account implements manager.PeopleStore.
func (s *Store) Account(ctx context.Context, email string) (*manager.Account, error) {
	a := &manager.Account{Email: email}
	err := s.read(ctx, "read an account", func(tx transaction) error {
		return tx.row(ctx, "SELECT password_hash, created_at, last_login_at, revision FROM account WHERE email = ?", []any{email},
			&a.PasswordHash, micros{&a.CreatedAt}, optionalMicros{&a.LastLoginAt}, &a.Revision)
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// AccountsOf implements manager.PeopleStore.
func (s *Store) AccountsOf(ctx context.Context, emails []string) ([]manager.Account, error) {
	condition, args := among("email", emails)
	return s.accounts(ctx, condition, args...)
}

// accounts lists those that a condition holds for, by email.
func (s *Store) accounts(ctx context.Context, condition string, args ...any) (found []manager.Account, err error) {
	err = s.read(ctx, "list accounts", func(tx transaction) error {
		query := "SELECT email, password_hash, created_at, last_login_at, revision FROM account WHERE " + condition + " ORDER BY email"
		return tx.each(ctx, query, args, func(rows *sql.Rows) error {
			var a manager.Account
			err := rows.Scan(&a.Email, &a.PasswordHash, micros{&a.CreatedAt}, optionalMicros{&a.LastLoginAt}, &a.Revision)
			found = append(found, a)
			return err
		})
	})
	return found, err
}

// PutAccount implements manager.PeopleStore.
func (s *Store) PutAccount(ctx context.Context, a *manager.Account, audit ...manager.AuditEntry) error {
	return s.write(ctx, "store an account", func(tx transaction) error {
		if err := putAccount(ctx, tx, a); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}

func putAccount(ctx context.Context, tx transaction, a *manager.Account) error {
	query, args := `
INSERT INTO account (password_hash, created_at, last_login_at, email, revision) VALUES (?, ?, ?, ?, ? + 1)
ON CONFLICT DO NOTHING`, []any{a.PasswordHash, a.CreatedAt.UnixMicro(), optional(a.LastLoginAt), a.Email, a.Revision}
	if a.Revision != 0 {
		query = "UPDATE account SET password_hash = ?, created_at = ?, last_login_at = ?, revision = revision + 1 WHERE email = ? AND revision = ?"
	}
	return changed(tx.exec(ctx, query, args...))
}

// changed turns no changed row into manager.ErrRevision.
func changed(rows int64, err error) error {
	if err == nil && rows == 0 {
		return manager.ErrRevision
	}
	return err
}

// Memberships implements manager.PeopleStore.
func (s *Store) Memberships(ctx context.Context, partner, email string) ([]manager.Membership, error) {
	const columns = "SELECT partner, email, role, created_at FROM membership "
	var query string
	var args []any
	switch {
	case partner != "" && email != "":
		query, args = "WHERE partner = ? AND email = ?", []any{partner, email}
	case partner != "":
		query, args = "WHERE partner = ? ORDER BY email", []any{partner}
	case email != "":
		query, args = "WHERE email = ? ORDER BY partner", []any{email}
	default:
		return nil, errors.New("sqlite store: list memberships: neither partner nor email is given")
	}
	var found []manager.Membership
	err := s.read(ctx, "list memberships", func(tx transaction) error {
		return tx.each(ctx, columns+query, args, func(rows *sql.Rows) error {
			var m manager.Membership
			err := rows.Scan(&m.Partner, &m.Email, &m.Role, micros{&m.CreatedAt})
			found = append(found, m)
			return err
		})
	})
	return found, err
}

// PutMembership implements manager.PeopleStore.
func (s *Store) PutMembership(ctx context.Context, m manager.Membership, audit ...manager.AuditEntry) error {
	return s.write(ctx, "store a membership", func(tx transaction) error {
		if err := putMembership(ctx, tx, m); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}

func putMembership(ctx context.Context, tx transaction, m manager.Membership) error {
	_, err := tx.exec(ctx, `
INSERT INTO membership (partner, email, role, created_at) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET role = excluded.role, created_at = excluded.created_at`,
		m.Partner, m.Email, m.Role, m.CreatedAt.UnixMicro())
	return err
}

// DeleteMembership implements manager.PeopleStore.
func (s *Store) DeleteMembership(ctx context.Context, partner, email string, audit ...manager.AuditEntry) error {
	return s.write(ctx, "delete a membership", func(tx transaction) error {
		if _, err := tx.exec(ctx, "DELETE FROM membership WHERE partner = ? AND email = ?", partner, email); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}

// Session implements manager.PeopleStore. A session ends at its ExpiresAt.
func (s *Store) Session(ctx context.Context, digest [32]byte, now time.Time) (*manager.Session, error) {
	session := &manager.Session{TokenDigest: digest}
	err := s.read(ctx, "read a session", func(tx transaction) error {
		return tx.row(ctx, "SELECT data, expires_at FROM session WHERE digest = ? AND expires_at > ?",
			[]any{digest[:], now.UnixMicro()}, &session.Data, micros{&session.ExpiresAt})
	})
	if err != nil {
		return nil, err
	}
	return session, nil
}

// PutSession implements manager.PeopleStore.
func (s *Store) PutSession(ctx context.Context, session *manager.Session) error {
	return s.write(ctx, "store a session", func(tx transaction) error {
		_, err := tx.exec(ctx, `
INSERT INTO session (digest, data, expires_at) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at`,
			session.TokenDigest[:], notNull(session.Data), session.ExpiresAt.UnixMicro())
		return err
	})
}

// KeepSession implements manager.PeopleStore.
func (s *Store) KeepSession(ctx context.Context, session *manager.Session) error {
	return s.write(ctx, "keep a session", func(tx transaction) error {
		_, err := tx.exec(ctx, "UPDATE session SET data = ?, expires_at = ? WHERE digest = ?",
			notNull(session.Data), session.ExpiresAt.UnixMicro(), session.TokenDigest[:])
		return err
	})
}

// DeleteSession implements manager.PeopleStore.
func (s *Store) DeleteSession(ctx context.Context, digest [32]byte) error {
	return s.write(ctx, "delete a session", func(tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM session WHERE digest = ?", digest[:])
		return err
	})
}

// DeleteExpiredSessions implements manager.PeopleStore.
func (s *Store) DeleteExpiredSessions(ctx context.Context, now time.Time) error {
	return s.write(ctx, "delete expired sessions", func(tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM session WHERE expires_at <= ?", now.UnixMicro())
		return err
	})
}
