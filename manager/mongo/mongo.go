// Package mongo keeps what the manager must not lose in MongoDB, so that
// several managers can serve one estate. It needs a replica set: what a commit
// stores is on a majority of its members before it is acknowledged, and outlives
// any of them.
//
// Everything is read from the primary. While the replica set has none, each
// call waits, for Patience at most. Times are kept to the microsecond. What
// people choose, such as names, is only ever a value, never a field's name.
package mongo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/partnergate/partnergate/manager"
)

// Patience is how long a call waits for a replica set that does not answer or
// has no primary.
const Patience = 20 * time.Second

// loadPatience is that of reading the whole policy, which takes a busy machine
// long; a transaction must not take longer anyway.
const loadPatience = time.Minute

// Store is a manager.Store in one database of MongoDB. Make one with Open. It
// is safe for concurrent use; any number of managers may open the same database.
type Store struct {
	client *driver.Client
	db     *driver.Database
	id     bson.ObjectID             // tells what it signals from what others do
	slots  [usageSlots]chan struct{} // each holds a token while a commit adds usage to that slot

	abandoned abandoned
}

var (
	_ manager.Store = (*Store)(nil)
)

// The collections.
const (
	metaCollection       = "meta"
	resourceCollection   = "resource"
	credentialCollection = "credential"
	changeCollection     = "change"
	stagedCollection     = "staged"
	accountCollection    = "account"
	membershipCollection = "membership"
	invitationCollection = "invitation"
	sessionCollection    = "session"
	tokenCollection      = "token"
	auditCollection      = "audit"
	markCollection       = "mark"
	markKeyCollection    = "mark_key"
	usageCollection      = "usage"
	hourCollection       = "usage_hour"
	requestCollection    = "request"
	useCollection        = "credential_use"
	proxyCollection      = "proxy"
	bucketCollection     = "bucket"
	signalCollection     = "signal"
)

func majority() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal}
}

func (s *Store) in(collection string) *driver.Collection { return s.db.Collection(collection) }

// Ping implements manager.Store.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.PolicyRevision(ctx)
	return err
}

// Close ends all connections. What was committed stays.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.client.Disconnect(ctx)
}

// call runs one command, or several that may be run again from the start,
// until it answers. doing is for the error.
func (s *Store) call(ctx context.Context, doing string, do func(ctx context.Context) error) error {
	return s.callFor(ctx, Patience, doing, do)
}

func (s *Store) callFor(ctx context.Context, patience time.Duration, doing string, do func(ctx context.Context) error) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	slow := time.AfterFunc(slowCall, func() { s.unblock(patient) })
	defer slow.Stop()
	for try := 0; ; try++ {
		err := ctx.Err()
		if err == nil {
			err = do(patient)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !passing(err) || !wait(patient, try) {
			return fmt.Errorf("mongodb store: %s: %w", doing, errors.Join(err, ctx.Err()))
		}
	}
}

// wait is short at first: most conflicts are over in milliseconds. It reports
// false when ctx has ended.
func wait(ctx context.Context, try int) bool {
	longest := min(4*time.Millisecond<<min(try, 6), 200*time.Millisecond)
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// interrupted is MongoDB's code for an operation that somebody ended.
const interrupted = 11601

const transient, unknownResult = "TransientTransactionError", "UnknownTransactionCommitResult"

// passing tells whether an error goes away by itself: another commit was in
// the way, or the replica set changes its primary.
func passing(err error) bool {
	if driver.IsNetworkError(err) || driver.IsTimeout(err) {
		return true
	}
	var labeled driver.LabeledError
	if errors.As(err, &labeled) && (labeled.HasErrorLabel(transient) || labeled.HasErrorLabel("RetryableWriteError")) {
		return true
	}
	var failed driver.ServerError
	if !errors.As(err, &failed) {
		return false
	}
	for _, code := range []int{
		6, 7, 89, 9001, // the network
		91, 11600, 189, 10107, 11602, 13435, 13436, // a primary that stops, or is none any more
		112, 134, 262, // a conflict; a majority that is not there yet; too slow for once
		246, 251, // a snapshot or a transaction that has ended
		interrupted, // by another manager, that took the transaction for abandoned
	} {
		if failed.HasErrorCode(code) {
			return true
		}
	}
	return false
}

// atomically runs change in one transaction, again from the start where another
// commit got in its way. All that it reads is of one moment.
func (s *Store) atomically(ctx context.Context, doing string, change func(ctx context.Context) error) error {
	return s.atomicallyFor(ctx, Patience, doing, change)
}

func (s *Store) atomicallyFor(ctx context.Context, patience time.Duration, doing string, change func(ctx context.Context) error) error {
	return s.callFor(ctx, patience, doing, func(ctx context.Context) error {
		session, err := s.client.StartSession()
		if err != nil {
			return err
		}
		defer session.EndSession(context.WithoutCancel(ctx))
		how := options.Transaction().SetReadConcern(readconcern.Snapshot()).SetReadPreference(readpref.Primary()).SetWriteConcern(majority())
		if err := session.StartTransaction(how); err != nil {
			return err
		}
		if err := change(driver.NewSessionContext(ctx, session)); err != nil {
			abort(ctx, session)
			return err
		}
		return commit(ctx, session)
	})
}

// abort frees what the transaction holds; where that fails, the server does so in the end.
func abort(ctx context.Context, session *driver.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = session.AbortTransaction(ctx)
}

// commit asks again until it is known whether the transaction is stored.
func commit(ctx context.Context, session *driver.Session) error {
	for try := 0; ; try++ {
		err := session.CommitTransaction(ctx)
		if err == nil || !undecided(err) || !wait(ctx, try) {
			return err
		}
	}
}

// undecided tells whether a commit that failed may have been stored.
func undecided(err error) bool {
	var labeled driver.LabeledError
	var failed driver.ServerError
	return errors.As(err, &labeled) && labeled.HasErrorLabel(unknownResult) ||
		errors.As(err, &failed) && failed.HasErrorCode(interrupted)
}

// one decodes the document with that id, or returns manager.ErrMissing.
func (s *Store) one(ctx context.Context, collection string, filter any, into any) error {
	err := s.in(collection).FindOne(ctx, filter).Decode(into)
	if errors.Is(err, driver.ErrNoDocuments) {
		return manager.ErrMissing
	}
	return err
}

// all decodes what a query finds.
func all[T any](ctx context.Context, s *Store, collection string, filter any, o ...options.Lister[options.FindOptions]) ([]T, error) {
	cursor, err := s.in(collection).Find(ctx, filter, o...)
	if err != nil {
		return nil, err
	}
	var found []T
	return found, cursor.All(ctx, &found)
}

// put stores a document in the place of the one that the filter finds.
func (s *Store) put(ctx context.Context, collection string, filter, document any) error {
	_, err := s.in(collection).ReplaceOne(ctx, filter, document, options.Replace().SetUpsert(true))
	return err
}

// bulk writes many at once, in order. It returns how many were there or were made.
func (s *Store) bulk(ctx context.Context, collection string, writes []driver.WriteModel) (int64, error) {
	if len(writes) == 0 {
		return 0, nil
	}
	result, err := s.in(collection).BulkWrite(ctx, writes)
	if err != nil {
		return 0, err
	}
	return result.InsertedCount + result.MatchedCount + result.UpsertedCount, nil
}

// swap stores a document whose field revision is revision+1 where the stored
// one has revision; 0 is one not stored yet. Else it returns manager.ErrRevision.
func (s *Store) swap(ctx context.Context, collection string, id any, revision int64, document any) error {
	if revision == 0 {
		_, err := s.in(collection).InsertOne(ctx, document)
		return taken(err)
	}
	result, err := s.in(collection).ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "revision", Value: revision}}, document)
	if err == nil && result.MatchedCount == 0 {
		return manager.ErrRevision
	}
	return err
}

// taken turns a duplicate key into manager.ErrRevision.
func taken(err error) error {
	if driver.IsDuplicateKeyError(err) {
		return manager.ErrRevision
	}
	return err
}

func equals(name string, value any) bson.D { return bson.D{{Key: name, Value: value}} }

func byID(id any) bson.D { return equals("_id", id) }

// micros is t as it is stored.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }

func optionalMicros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	n := t.UnixMicro()
	return &n
}

func fromOptionalMicros(n *int64) *time.Time {
	if n == nil {
		return nil
	}
	t := fromMicros(*n)
	return &t
}
