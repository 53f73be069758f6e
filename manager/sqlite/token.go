package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/partnergate/partnergate/manager"
)

const tokenColumns = `
SELECT name, digest, role, teams, created_by, created_at, expires_at, revoked_at, last_used_at, revision FROM admin_token `

// AdminToken implements manager.TokenStore.
func (s *Store) AdminToken(ctx context.Context, digest [32]byte) (*manager.AdminToken, error) {
	var found *manager.AdminToken
	err := s.read(ctx, "read a token", func(tx transaction) error {
		return tx.each(ctx, tokenColumns+"WHERE digest = ?", []any{digest[:]}, func(rows *sql.Rows) (err error) {
			found, err = scanToken(rows)
			return err
		})
	})
	if err == nil && found == nil {
		err = manager.ErrMissing
	}
	return found, err
}

// AdminTokens implements manager.TokenStore.
func (s *Store) AdminTokens(ctx context.Context) ([]manager.AdminToken, error) {
	var found []manager.AdminToken
	err := s.read(ctx, "list tokens", func(tx transaction) error {
		return tx.each(ctx, tokenColumns+"ORDER BY name", nil, func(rows *sql.Rows) error {
			t, err := scanToken(rows)
			if err == nil {
				found = append(found, *t)
			}
			return err
		})
	})
	return found, err
}

func scanToken(rows *sql.Rows) (*manager.AdminToken, error) {
	t := &manager.AdminToken{}
	var digest, teams sql.RawBytes
	err := rows.Scan(&t.Name, &digest, &t.Role, &teams, &t.CreatedBy, micros{&t.CreatedAt}, optionalMicros{&t.ExpiresAt},
		optionalMicros{&t.RevokedAt}, optionalMicros{&t.LastUsedAt}, &t.Revision)
	if err != nil {
		return nil, err
	}
	copy(t.Digest[:], digest)
	return t, json.Unmarshal(teams, &t.Teams)
}

// PutAdminToken implements manager.TokenStore.
func (s *Store) PutAdminToken(ctx context.Context, t *manager.AdminToken, audit ...manager.AuditEntry) error {
	teams, err := json.Marshal(t.Teams)
	if err != nil {
		return err
	}
	query := `
INSERT INTO admin_token (digest, role, teams, created_by, created_at, expires_at, revoked_at, name, revision)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ? + 1) ON CONFLICT (name) DO NOTHING`
	if t.Revision != 0 {
		query = `
UPDATE admin_token SET digest = ?, role = ?, teams = ?, created_by = ?, created_at = ?, expires_at = ?, revoked_at = ?,
    revision = revision + 1
WHERE name = ? AND revision = ?`
	}
	return s.write(ctx, "store a token", func(tx transaction) error {
		err := changed(tx.exec(ctx, query, t.Digest[:], t.Role, string(teams), t.CreatedBy, t.CreatedAt.UnixMicro(),
			optional(t.ExpiresAt), optional(t.RevokedAt), t.Name, t.Revision))
		if err != nil {
			return err
		}
		return addAudit(ctx, tx, audit)
	})
}

// NoteTokenUse implements manager.TokenStore.
func (s *Store) NoteTokenUse(ctx context.Context, name string, at time.Time) error {
	return s.write(ctx, "note the use of a token", func(tx transaction) error {
		_, err := tx.exec(ctx, "UPDATE admin_token SET last_used_at = max(ifnull(last_used_at, 0), ?) WHERE name = ?", at.UnixMicro(), name)
		return err
	})
}
