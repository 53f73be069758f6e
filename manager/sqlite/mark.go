package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// TakeMarks implements manager.MarkStore. Writes are one after another, so
// that what is counted is what holds when the marks are stored.
func (s *Store) TakeMarks(ctx context.Context, now time.Time, marks []manager.Mark) (free time.Time, err error) {
	err = s.write(ctx, "take marks", func(tx transaction) error {
		for _, m := range marks {
			at, err := room(ctx, tx, now, m)
			if err != nil {
				return err
			}
			if at.After(free) {
				free = at
			}
		}
		if !free.IsZero() {
			return nil
		}
		return putMarks(ctx, tx, marks)
	})
	return free, err
}

func putMarks(ctx context.Context, tx transaction, marks []manager.Mark) error {
	for _, m := range marks {
		_, err := tx.exec(ctx, "INSERT INTO mark (key, id, until) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
			m.Key, m.ID, m.Until.UnixMicro())
		if err != nil {
			return err
		}
	}
	return nil
}

// room is zero where m can be stored, else when it can.
func room(ctx context.Context, tx transaction, now time.Time, m manager.Mark) (time.Time, error) {
	if m.Most < 1 {
		return time.Time{}, nil
	}
	var marked int
	err := tx.row(ctx, "SELECT count(*) FROM mark WHERE key = ? AND id = ? AND until > ?", []any{m.Key, m.ID, now.UnixMicro()}, &marked)
	if err != nil || marked > 0 {
		return time.Time{}, err
	}
	// The one that must end is the Most-th of those that end last.
	var free time.Time
	err = tx.row(ctx, "SELECT until FROM mark WHERE key = ? AND until > ? ORDER BY until DESC LIMIT 1 OFFSET ?",
		[]any{m.Key, now.UnixMicro(), m.Most - 1}, micros{&free})
	if errors.Is(err, manager.ErrMissing) {
		return time.Time{}, nil
	}
	return free, err
}

// Marks implements manager.MarkStore.
func (s *Store) Marks(ctx context.Context, now time.Time, keys ...string) ([]int, error) {
	counts := make([]int, len(keys))
	err := s.read(ctx, "count marks", func(tx transaction) error {
		for i, key := range keys {
			err := tx.row(ctx, "SELECT count(*) FROM mark WHERE key = ? AND until > ?", []any{key, now.UnixMicro()}, &counts[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
	return counts, err
}

// MarkedIDs implements manager.MarkStore.
func (s *Store) MarkedIDs(ctx context.Context, now time.Time, key string) (ids []string, err error) {
	err = s.read(ctx, "list marks", func(tx transaction) error {
		const query = "SELECT id FROM mark WHERE key = ? AND until > ? ORDER BY id"
		return tx.each(ctx, query, []any{key, now.UnixMicro()}, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}

// DeleteMarks implements manager.MarkStore.
func (s *Store) DeleteMarks(ctx context.Context, marks []manager.Mark, audit ...manager.AuditEntry) error {
	return s.write(ctx, "delete marks", func(tx transaction) error {
		for _, m := range marks {
			if _, err := tx.exec(ctx, "DELETE FROM mark WHERE key = ? AND (id = ? OR ? = '')", m.Key, m.ID, m.ID); err != nil {
				return err
			}
		}
		return addAudit(ctx, tx, audit)
	})
}

// DeleteExpiredMarks implements manager.MarkStore.
func (s *Store) DeleteExpiredMarks(ctx context.Context, now time.Time) error {
	return s.write(ctx, "delete expired marks", func(tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM mark WHERE until <= ?", now.UnixMicro())
		return err
	})
}
