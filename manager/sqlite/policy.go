package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/partnergate/partnergate/manager"
)

// LoadPolicy implements manager.PolicyStore. Resources are in the order of
// manager.Kinds, credentials last, each by partner and name.
func (s *Store) LoadPolicy(ctx context.Context) (*manager.Policy, error) {
	policy := &manager.Policy{}
	err := s.read(ctx, "load the policy", func(tx transaction) error {
		var lineage []byte
		var changedAt *time.Time
		if err := tx.row(ctx, "SELECT lineage, revision, changed_at, emptied FROM meta", nil, &lineage, &policy.Revision, optionalMicros{&changedAt}, &policy.Emptied); err != nil {
			return err
		}
		copy(policy.Lineage[:], lineage)
		if changedAt != nil {
			policy.ChangedAt = *changedAt
		}
		if err := loadResources(ctx, tx, policy); err != nil {
			return err
		}
		return loadCredentials(ctx, tx, policy)
	})
	if err != nil {
		return nil, err
	}
	return policy, nil
}

// PolicyRevision implements manager.PolicyStore.
func (s *Store) PolicyRevision(ctx context.Context) (revision int64, err error) {
	err = s.read(ctx, "read the policy's revision", func(tx transaction) error {
		return tx.row(ctx, "SELECT revision FROM meta", nil, &revision)
	})
	return revision, err
}

// CommitPolicy implements manager.PolicyStore. Deletions come first, so that
// what one change frees another may take.
func (s *Store) CommitPolicy(ctx context.Context, commit manager.PolicyCommit) (int64, error) {
	doing := fmt.Sprintf("commit the policy's revision %d", commit.Revision+1)
	err := s.write(ctx, doing, func(tx transaction) error {
		n, err := tx.exec(ctx, "UPDATE meta SET revision = revision + 1, changed_at = ?, emptied = ? WHERE revision = ?", moment(commit.At), commit.Emptied, commit.Revision)
		if err != nil {
			return err
		}
		if n == 0 {
			return manager.ErrRevision
		}
		for _, change := range commit.Changes {
			if change.After == nil {
				if err := deleteResource(ctx, tx, change.Ref); err != nil {
					return err
				}
			}
		}
		for _, change := range commit.Changes {
			if change.After != nil {
				if err := putResource(ctx, tx, change); err != nil {
					return err
				}
			}
		}
		return addAudit(ctx, tx, commit.Audit)
	})
	if err != nil {
		return 0, err
	}
	return commit.Revision + 1, nil
}

func loadResources(ctx context.Context, tx transaction, policy *manager.Policy) error {
	const query = "SELECT kind, partner, name, document FROM resource ORDER BY partner, name"
	err := tx.each(ctx, query, nil, func(rows *sql.Rows) error {
		var ref manager.Ref
		var document sql.RawBytes
		if err := rows.Scan(&ref.Kind, &ref.Partner, &ref.Name, &document); err != nil {
			return err
		}
		resource, err := manager.UnmarshalStored(ref.Kind, document)
		if err != nil {
			return fmt.Errorf("read %s %q of partner %q: %w", ref.Kind, ref.Name, ref.Partner, err)
		}
		policy.Resources = append(policy.Resources, resource)
		return nil
	})
	slices.SortStableFunc(policy.Resources, func(a, b manager.Resource) int {
		return cmp.Compare(slices.Index(manager.Kinds, a.Ref().Kind), slices.Index(manager.Kinds, b.Ref().Kind))
	})
	return err
}

func loadCredentials(ctx context.Context, tx transaction, policy *manager.Policy) error {
	const query = `
SELECT id, partner, application, environment, digest, managed_by, revision, created_at, updated_at,
       expires_at, revoked_at, rotated_to, rotated_from
FROM credential ORDER BY partner, id`
	return tx.each(ctx, query, nil, func(rows *sql.Rows) error {
		c := new(manager.Credential)
		m := &c.Metadata
		var digest sql.RawBytes
		err := rows.Scan(&m.Name, &m.Partner, &c.Application, &c.Environment, &digest, &m.ManagedBy, &m.Revision,
			micros{&m.CreatedAt}, micros{&m.UpdatedAt}, optionalMicros{&c.ExpiresAt}, optionalMicros{&c.RevokedAt},
			&c.RotatedTo, &c.RotatedFrom)
		if err != nil {
			return err
		}
		copy(c.Digest[:], digest)
		policy.Resources = append(policy.Resources, c)
		return nil
	})
}

func deleteResource(ctx context.Context, tx transaction, ref manager.Ref) error {
	if ref.Kind == manager.KindCredential {
		_, err := tx.exec(ctx, "DELETE FROM credential WHERE partner = ? AND id = ?", ref.Partner, ref.Name)
		return err
	}
	_, err := tx.exec(ctx, "DELETE FROM resource WHERE kind = ? AND partner = ? AND name = ?", ref.Kind, ref.Partner, ref.Name)
	return err
}

func putResource(ctx context.Context, tx transaction, change manager.Change) error {
	if change.Ref != change.After.Ref() {
		return fmt.Errorf("the change of %v holds the resource %v", change.Ref, change.After.Ref())
	}
	if credential, ok := change.After.(*manager.Credential); ok {
		return putCredential(ctx, tx, credential)
	}
	document, err := json.Marshal(change.After)
	if err != nil {
		return fmt.Errorf("write %v: %w", change.Ref, err)
	}
	_, err = tx.exec(ctx, `
INSERT INTO resource (kind, partner, name, document) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET document = excluded.document`,
		change.Ref.Kind, change.Ref.Partner, change.Ref.Name, string(document))
	return err
}

func putCredential(ctx context.Context, tx transaction, c *manager.Credential) error {
	m := c.Metadata
	n, err := tx.exec(ctx, `
INSERT INTO credential (id, partner, application, environment, digest, managed_by, revision, created_at, updated_at,
                        expires_at, revoked_at, rotated_to, rotated_from)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET application = excluded.application, environment = excluded.environment,
    digest = excluded.digest, managed_by = excluded.managed_by, revision = excluded.revision,
    created_at = excluded.created_at, updated_at = excluded.updated_at, expires_at = excluded.expires_at,
    revoked_at = excluded.revoked_at, rotated_to = excluded.rotated_to, rotated_from = excluded.rotated_from
WHERE partner = excluded.partner`,
		m.Name, m.Partner, c.Application, c.Environment, c.Digest[:], m.ManagedBy, m.Revision, m.CreatedAt.UnixMicro(),
		m.UpdatedAt.UnixMicro(), optional(c.ExpiresAt), optional(c.RevokedAt), c.RotatedTo, c.RotatedFrom)
	var failed *driver.Error
	switch {
	case errors.As(err, &failed) && failed.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return fmt.Errorf("credential %q: another credential has the same digest", m.Name)
	case err == nil && n == 0:
		return fmt.Errorf("credential %q: another partner's credential has the same id", m.Name)
	}
	return err
}
