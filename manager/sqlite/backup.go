package sqlite

import (
	"context"
	"database/sql"

	"github.com/partnergate/partnergate/manager"
)

// Accounts implements manager.BackupStore.
func (s *Store) Accounts(ctx context.Context) ([]manager.Account, error) {
	return s.accounts(ctx, "TRUE")
}

// AllBuckets implements manager.BackupStore.
func (s *Store) AllBuckets(ctx context.Context) ([]manager.Bucket, error) {
	var found []manager.Bucket
	err := s.read(ctx, "list buckets", func(tx transaction) error {
		return tx.each(ctx, "SELECT id, state, revision FROM bucket ORDER BY id", nil, func(rows *sql.Rows) error {
			var b manager.Bucket
			err := rows.Scan(&b.ID, &b.State, &b.Revision)
			found = append(found, b)
			return err
		})
	})
	return found, err
}

// Reset implements manager.BackupStore, all or nothing.
func (s *Store) Reset(ctx context.Context, revision int64) error {
	return s.write(ctx, "delete everything", func(tx transaction) error {
		guards, err := liftGuards(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range []string{
			"resource", "credential", "account", "membership", "invitation", "session", "admin_token", "audit", "mark",
			"usage", "usage_hour", "usage_key", "request", "credential_use", "proxy", "bucket",
		} {
			if _, err := tx.exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		if _, err := tx.exec(ctx, "UPDATE meta SET lineage = randomblob(16), revision = ?, changed_at = NULL, emptied = 0, hours_since = 0", revision); err != nil {
			return err
		}
		for _, guard := range guards {
			if _, err := tx.ExecContext(ctx, guard); err != nil {
				return err
			}
		}
		return nil
	})
}

// liftGuards drops the triggers that keep the audit log as it is, and returns what makes them again.
func liftGuards(ctx context.Context, tx transaction) (guards []string, err error) {
	var names []string
	err = tx.each(ctx, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'", nil, func(rows *sql.Rows) error {
		var name, text string
		err := rows.Scan(&name, &text)
		names, guards = append(names, name), append(guards, text)
		return err
	})
	for _, name := range names {
		if err == nil {
			_, err = tx.ExecContext(ctx, "DROP TRIGGER "+name)
		}
	}
	return guards, err
}
