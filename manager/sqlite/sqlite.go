// Package sqlite keeps what the manager must not lose in one SQLite file. It
// is the default store: no server, a commit is on the disk before it is
// acknowledged.
//
// One connection writes, a pool reads; readers see the last commit and never
// wait for the writer. Times are kept to the microsecond.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/lockfile"
)

// Store is a manager.Store in one SQLite file. Make one with Open, or
// OpenAlone. It is safe for concurrent use; several processes on one machine may
// open the same file.
type Store struct {
	writer *sql.DB // one connection, whose transactions take the write lock at once
	reader *sql.DB
	few    int            // fewRequests
	lock   *lockfile.Lock // nil, but for OpenAlone
}

var _ manager.Store = (*Store)(nil)

// Ping implements manager.Store.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.PolicyRevision(ctx)
	return err
}

// Close ends all connections. What was committed stays.
func (s *Store) Close() error {
	return errors.Join(s.reader.Close(), s.writer.Close(), s.lock.Release())
}

// transaction keeps each statement prepared until its end, so that loops
// prepare theirs once.
type transaction struct {
	*sql.Tx
	prepared map[string]*sql.Stmt
}

// write runs change in one transaction of the writer. doing is for the error.
func (s *Store) write(ctx context.Context, doing string, change func(tx transaction) error) error {
	return within(ctx, s.writer, nil, doing, change)
}

// read runs look at one state of the store. doing is for the error.
func (s *Store) read(ctx context.Context, doing string, look func(tx transaction) error) error {
	return within(ctx, s.reader, &sql.TxOptions{ReadOnly: true}, doing, look)
}

func within(ctx context.Context, db *sql.DB, o *sql.TxOptions, doing string, do func(tx transaction) error) error {
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("sqlite store: %s: %w", doing, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := do(transaction{tx, map[string]*sql.Stmt{}}); err != nil {
		return fmt.Errorf("sqlite store: %s: %w", doing, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlite store: %s: %w", doing, err)
	}
	return nil
}

// prepare makes tx.prepared[query].
func (tx transaction) prepare(ctx context.Context, query string) (err error) {
	if tx.prepared[query] == nil {
		tx.prepared[query], err = tx.PrepareContext(ctx, query) //nolint:sqlclosecheck // the end of the transaction closes it
	}
	return err
}

// exec returns how many rows changed.
func (tx transaction) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := tx.prepare(ctx, query); err != nil {
		return 0, err
	}
	result, err := tx.prepared[query].ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row scans the one row of a query, or returns manager.ErrMissing.
func (tx transaction) row(ctx context.Context, query string, args []any, into ...any) error {
	if err := tx.prepare(ctx, query); err != nil {
		return err
	}
	err := tx.prepared[query].QueryRowContext(ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return manager.ErrMissing
	}
	return err
}

// each calls scan for every row of a query.
func (tx transaction) each(ctx context.Context, query string, args []any, scan func(rows *sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// among is the condition that a column has one of the values.
func among(column string, values []string) (condition string, args []any) {
	for _, v := range values {
		args = append(args, v)
	}
	return column + " IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ") + ")", args
}

// micros reads and writes a time.Time as microseconds.
type micros struct{ time *time.Time }

// Scan implements sql.Scanner.
func (m micros) Scan(value any) error {
	n, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", value)
	}
	*m.time = time.UnixMicro(n).UTC()
	return nil
}

// optionalMicros is micros for a time that may be absent.
type optionalMicros struct{ time **time.Time }

// Scan implements sql.Scanner.
func (m optionalMicros) Scan(value any) error {
	if value == nil {
		*m.time = nil
		return nil
	}
	*m.time = new(time.Time)
	return micros{*m.time}.Scan(value)
}

func optional(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMicro()
}

// moment is a time as it is stored, nil for the zero time.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// notNull turns nil, which the driver stores as NULL, into no bytes.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
