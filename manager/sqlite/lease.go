package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/partnergate/partnergate/manager"
)

const proxyColumns = "SELECT id, node, first_seen, last_sync, policy_version, policy_at, sequence, batch, reply, revision FROM proxy "

// fields are where a row of proxyColumns goes.
func fields(p *manager.Proxy) []any {
	return []any{&p.ID, &p.Node, micros{&p.FirstSeen}, micros{&p.LastSync}, &p.PolicyVersion, micros{&p.PolicyAt},
		unsigned{&p.Sequence}, &p.Batch, &p.Reply, &p.Revision}
}

// unsigned reads a number that was stored as the bits of a signed one.
type unsigned struct{ n *uint64 }

// Scan implements sql.Scanner.
func (u unsigned) Scan(value any) error {
	n, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a number is stored as %T", value)
	}
	*u.n = uint64(n)
	return nil
}

// Proxy implements manager.LeaseStore.
func (s *Store) Proxy(ctx context.Context, id string) (*manager.Proxy, error) {
	p := new(manager.Proxy)
	err := s.read(ctx, "read a proxy", func(tx transaction) error {
		return tx.row(ctx, proxyColumns+"WHERE id = ?", []any{id}, fields(p)...)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Proxies implements manager.LeaseStore.
func (s *Store) Proxies(ctx context.Context, since time.Time) ([]manager.Proxy, error) {
	var found []manager.Proxy
	err := s.read(ctx, "list proxies", func(tx transaction) error {
		return tx.each(ctx, proxyColumns+"WHERE last_sync >= ? ORDER BY id", []any{since.UnixMicro()}, func(rows *sql.Rows) error {
			var p manager.Proxy
			err := rows.Scan(fields(&p)...)
			found = append(found, p)
			return err
		})
	})
	return found, err
}

// Buckets implements manager.LeaseStore.
func (s *Store) Buckets(ctx context.Context, ids []string) ([]manager.Bucket, error) {
	var found []manager.Bucket
	err := s.read(ctx, "read buckets", func(tx transaction) error {
		for _, id := range ids {
			b := manager.Bucket{ID: id}
			err := tx.row(ctx, "SELECT state, revision FROM bucket WHERE id = ?", []any{id}, &b.State, &b.Revision)
			if errors.Is(err, manager.ErrMissing) {
				continue
			}
			if err != nil {
				return err
			}
			found = append(found, b)
		}
		return nil
	})
	return found, err
}

// CommitSync implements manager.LeaseStore. Proxy may be nil where only
// buckets change.
func (s *Store) CommitSync(ctx context.Context, commit manager.SyncCommit) error {
	return s.write(ctx, "commit a sync", func(tx transaction) error {
		if commit.Proxy != nil {
			if err := putProxy(ctx, tx, commit.Proxy); err != nil {
				return err
			}
		}
		for _, bucket := range commit.Buckets {
			if err := putBucket(ctx, tx, bucket); err != nil {
				return err
			}
		}
		keys := usageKeys{tx, map[manager.UsageKey]int64{}}
		if err := keys.addUsage(ctx, commit.Usage); err != nil {
			return err
		}
		if err := keys.addRequests(ctx, commit.Requests); err != nil {
			return err
		}
		return addCredentialUses(ctx, tx, commit.CredentialUses)
	})
}

func putProxy(ctx context.Context, tx transaction, p *manager.Proxy) error {
	values := []any{p.Node, p.FirstSeen.UnixMicro(), p.LastSync.UnixMicro(), p.PolicyVersion, p.PolicyAt.UnixMicro(),
		int64(p.Sequence), notNull(p.Batch), notNull(p.Reply), p.ID}
	if p.Revision == 0 {
		return raised(tx.exec(ctx, `
INSERT INTO proxy (node, first_seen, last_sync, policy_version, policy_at, sequence, batch, reply, id, revision)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING`, values...))
	}
	return raised(tx.exec(ctx, `
UPDATE proxy SET node = ?, first_seen = ?, last_sync = ?, policy_version = ?, policy_at = ?, sequence = ?, batch = ?, reply = ?,
    revision = revision + 1
WHERE id = ? AND revision = ?`, append(values, p.Revision)...))
}

func putBucket(ctx context.Context, tx transaction, b manager.Bucket) error {
	if b.Revision == 0 {
		return raised(tx.exec(ctx, "INSERT INTO bucket (id, state, revision) VALUES (?, ?, 1) ON CONFLICT DO NOTHING",
			b.ID, notNull(b.State)))
	}
	return raised(tx.exec(ctx, "UPDATE bucket SET state = ?, revision = revision + 1 WHERE id = ? AND revision = ?",
		notNull(b.State), b.ID, b.Revision))
}

// raised is ErrRevision for a write that met no row of the revision given.
func raised(n int64, err error) error {
	if err == nil && n == 0 {
		return manager.ErrRevision
	}
	return err
}

// DeleteProxiesBefore implements manager.LeaseStore.
func (s *Store) DeleteProxiesBefore(ctx context.Context, t time.Time) error {
	return s.write(ctx, "forget proxies", func(tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM proxy WHERE last_sync < ?", t.UnixMicro())
		return err
	})
}
