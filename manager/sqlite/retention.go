package sqlite

import (
	"context"
	"time"
)

// deleteStep is how many rows are deleted in one transaction: few enough that
// a sync waiting for the writer does not notice.
const deleteStep = 2000

// DeleteUsageBefore implements manager.UsageStore. It works in steps, each of
// which is stored for itself: where one fails, those before it stay done and
// the next call goes on.
func (s *Store) DeleteUsageBefore(ctx context.Context, usage, requests time.Time) error {
	minute := bucketFrom(usage, 60)
	err := s.deleteInSteps(ctx, "delete old usage", `
DELETE FROM usage WHERE (day, key, minute) IN
    (SELECT day, key, minute FROM usage WHERE day <= ? AND minute < ? LIMIT ?)`,
		dayOf(minute), minute)
	if err != nil {
		return err
	}
	err = s.deleteInSteps(ctx, "delete old sums of usage", `
DELETE FROM usage_hour WHERE (hour, key) IN (SELECT hour, key FROM usage_hour WHERE hour < ? LIMIT ?)`, minute)
	if err != nil {
		return err
	}
	return s.deleteInSteps(ctx, "delete old requests", `
DELETE FROM request WHERE id IN (SELECT id FROM request INDEXED BY request_by_time WHERE time < ? ORDER BY time LIMIT ?)`,
		requests.UnixMicro())
}

// DeleteAuditBefore implements manager.AuditStore. The trigger that keeps the
// log as it is lets pass only what each step has named.
func (s *Store) DeleteAuditBefore(ctx context.Context, t time.Time) error {
	return s.inSteps(ctx, "delete old entries of the audit log", func(tx transaction) (deleted int64, err error) {
		if _, err := tx.exec(ctx, "INSERT INTO audit_retention (before) VALUES (?)", t.UnixMicro()); err != nil {
			return 0, err
		}
		deleted, err = tx.exec(ctx, "DELETE FROM audit WHERE id IN (SELECT id FROM audit INDEXED BY audit_by_time WHERE time < ? ORDER BY time LIMIT ?)",
			t.UnixMicro(), deleteStep)
		if err != nil {
			return 0, err
		}
		_, err = tx.exec(ctx, "DELETE FROM audit_retention")
		return deleted, err
	})
}

// deleteInSteps runs query, whose last parameter is how many rows it may delete, until it finds less.
func (s *Store) deleteInSteps(ctx context.Context, doing, query string, args ...any) error {
	args = append(args, deleteStep)
	return s.inSteps(ctx, doing, func(tx transaction) (int64, error) { return tx.exec(ctx, query, args...) })
}

// inSteps runs a step, each in a transaction of its own, until it deletes less than it may.
func (s *Store) inSteps(ctx context.Context, doing string, step func(tx transaction) (deleted int64, err error)) error {
	for {
		var deleted int64
		err := s.write(ctx, doing, func(tx transaction) (err error) {
			deleted, err = step(tx)
			return err
		})
		if err != nil || deleted < deleteStep {
			return err
		}
	}
}
