package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/partnergate/partnergate/manager"
)

const invitationColumns = "SELECT digest, partner, email, role, invited_by, on_behalf_of, created_at, expires_at FROM invitation "

// Invitation implements manager.InvitationStore. It ends at its ExpiresAt.
func (s *Store) Invitation(ctx context.Context, digest [32]byte, now time.Time) (*manager.Invitation, error) {
	i := &manager.Invitation{Digest: digest}
	err := s.read(ctx, "read an invitation", func(tx transaction) error {
		var stored []byte
		return tx.row(ctx, invitationColumns+"WHERE digest = ? AND expires_at > ?", []any{digest[:], now.UnixMicro()},
			&stored, &i.Partner, &i.Email, &i.Role, &i.InvitedBy, &i.OnBehalfOf, micros{&i.CreatedAt}, micros{&i.ExpiresAt})
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Invitations implements manager.InvitationStore.
func (s *Store) Invitations(ctx context.Context, partner string) ([]manager.Invitation, error) {
	var found []manager.Invitation
	err := s.read(ctx, "list invitations", func(tx transaction) error {
		return tx.each(ctx, invitationColumns+"WHERE partner = ? ORDER BY email", []any{partner}, func(rows *sql.Rows) error {
			var i manager.Invitation
			var digest sql.RawBytes
			err := rows.Scan(&digest, &i.Partner, &i.Email, &i.Role, &i.InvitedBy, &i.OnBehalfOf, micros{&i.CreatedAt}, micros{&i.ExpiresAt})
			copy(i.Digest[:], digest)
			found = append(found, i)
			return err
		})
	})
	return found, err
}

// PutInvitation implements manager.InvitationStore.
func (s *Store) PutInvitation(ctx context.Context, i manager.Invitation, audit ...manager.AuditEntry) error {
	return s.write(ctx, "store an invitation", func(tx transaction) error {
		_, err := tx.exec(ctx, `
INSERT INTO invitation (digest, partner, email, role, invited_by, on_behalf_of, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (partner, email) DO UPDATE SET digest = excluded.digest, role = excluded.role, invited_by = excluded.invited_by,
    on_behalf_of = excluded.on_behalf_of, created_at = excluded.created_at, expires_at = excluded.expires_at`,
			i.Digest[:], i.Partner, i.Email, i.Role, i.InvitedBy, i.OnBehalfOf, i.CreatedAt.UnixMicro(), i.ExpiresAt.UnixMicro())
		if err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}

// DeleteInvitation implements manager.InvitationStore.
func (s *Store) DeleteInvitation(ctx context.Context, partner, email string, audit ...manager.AuditEntry) error {
	return s.write(ctx, "delete an invitation", func(tx transaction) error {
		if _, err := tx.exec(ctx, "DELETE FROM invitation WHERE partner = ? AND email = ?", partner, email); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}

// AcceptInvitation implements manager.InvitationStore.
func (s *Store) AcceptInvitation(ctx context.Context, digest [32]byte, account *manager.Account, m manager.Membership, audit ...manager.AuditEntry) error {
	return s.write(ctx, "accept an invitation", func(tx transaction) error {
		n, err := tx.exec(ctx, "DELETE FROM invitation WHERE digest = ?", digest[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return manager.ErrMissing
		}
		if err := putAccount(ctx, tx, account); err != nil {
			return err
		}
		if err := putMembership(ctx, tx, m); err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}
