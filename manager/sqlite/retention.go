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
	err := s.deleteInSteps(ctx, "delete old usage", `
DELETE FROM usage WHERE (minute, key) IN (SELECT minute, key FROM usage WHERE minute < ? ORDER BY minute LIMIT ?)`,
		minutesFrom(usage))
	if err != nil {
		return err
	}
	return s.deleteInSteps(ctx, "delete old requests", `
DELETE FROM request WHERE id IN (SELECT id FROM request INDEXED BY request_by_time WHERE time < ? ORDER BY time LIMIT ?)`,
		requests.UnixMicro())
}

func (s *Store) deleteInSteps(ctx context.Context, doing, query string, before int64) error {
	for {
		var deleted int64
		err := s.write(ctx, doing, func(tx transaction) (err error) {
			deleted, err = tx.exec(ctx, query, before, deleteStep)
			return err
		})
		if err != nil || deleted < deleteStep {
			return err
		}
	}
}
