package mongo

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

// A manager that is killed within a transaction leaves it open, and what the
// transaction has written is closed to everybody until MongoDB ends it, after
// a minute by default. So whoever has to wait looks for such transactions.
const (
	slowCall       = 500 * time.Millisecond  // a call that takes longer looks, and as often
	abandonedAfter = 1500 * time.Millisecond // without any command, a transaction is nobody's
)

// abandoned is what is known of open transactions in which nothing runs.
type abandoned struct {
	mu   sync.Mutex
	seen map[string]idleTransaction // by session, as of the last look
}

// idleTransaction is an open one between two of its commands.
type idleTransaction struct {
	Session struct {
		ID bson.Binary `bson:"id"`
	} `bson:"lsid"`
	Number int64 `bson:"number"`
	Active int64 `bson:"active"` // microseconds that its commands have taken so far

	since time.Time
}

// idleTransactions are those of managers and commands on the database that have
// written something: others are in nobody's way. A user may see and end its own,
// without any privilege.
func idleTransactions(ctx context.Context, admin *driver.Database, database string) (found []idleTransaction, err error) {
	cursor, err := admin.Aggregate(ctx, driver.Pipeline{
		{{Key: "$currentOp", Value: bson.D{{Key: "idleSessions", Value: true}}}},
		{{Key: "$match", Value: bson.D{
			{Key: "type", Value: "idleSession"}, {Key: "appName", Value: bson.D{{Key: "$in", Value: bson.A{managerApp + database, commandApp + database}}}}, {Key: "locks.Global", Value: "w"},
			{Key: "transaction.parameters.txnNumber", Value: bson.D{{Key: "$exists", Value: true}}},
		}}},
		{{Key: "$project", Value: bson.D{
			{Key: "lsid", Value: 1}, {Key: "number", Value: "$transaction.parameters.txnNumber"}, {Key: "active", Value: "$transaction.timeActiveMicros"},
		}}},
	})
	if err != nil {
		return nil, err
	}
	return found, cursor.All(ctx, &found)
}

// admin is the database to ask for $currentOp, which takes no other read concern.
func (s *Store) admin() *driver.Database {
	return s.client.Database("admin", options.Database().SetReadConcern(readconcern.Local()))
}

// unblock looks again and again until ctx ends, which a call's does with the call.
func (s *Store) unblock(ctx context.Context) {
	for ctx.Err() == nil {
		if s.abandoned.mu.TryLock() { // else another slow call looks
			_ = s.endAbandoned(ctx) // the next look tries again
			s.abandoned.mu.Unlock()
		}
		select {
		case <-time.After(slowCall):
		case <-ctx.Done():
		}
	}
}

// endAbandoned ends the transactions in which nothing has run for long enough.
// Where a manager only stood still, its commit fails, and it begins anew: a
// transaction that was ended is not stored, and one that is stored has ended.
func (s *Store) endAbandoned(ctx context.Context) error {
	admin := s.admin()
	idle, err := idleTransactions(ctx, admin, s.db.Name())
	if err != nil {
		return err
	}
	var end bson.A
	seen, now := make(map[string]idleTransaction, len(idle)), time.Now()
	for _, t := range idle {
		t.since = now
		if before, known := s.abandoned.seen[string(t.Session.ID.Data)]; known && before.Number == t.Number && before.Active == t.Active {
			t.since = before.since
		}
		seen[string(t.Session.ID.Data)] = t
		if now.Sub(t.since) >= abandonedAfter {
			end = append(end, bson.D{{Key: "id", Value: t.Session.ID}})
		}
	}
	s.abandoned.seen = seen
	if len(end) == 0 {
		return nil
	}
	return admin.RunCommand(ctx, bson.D{{Key: "killSessions", Value: end}}).Err()
}
