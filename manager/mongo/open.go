package mongo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/partnergate/partnergate/filters/policy"
)

// schemaVersion is raised with every change of how things are stored.
const schemaVersion = 1

// defaultDatabase is used where the URL names none.
const defaultDatabase = "partnergate"

// The server knows connections by these words before the name of the database:
// those of managers, and those of commands that read or replace what is stored.
const (
	managerApp = "partnergate "
	commandApp = "partnergate-command "
)

// meta is the one document of its collection.
type meta struct {
	ID       string `bson:"_id"`
	Schema   int    `bson:"schema"`
	Lineage  []byte `bson:"lineage"`
	Revision int64  `bson:"revision"`
	// ChangedAt and Emptied are as of manager.Policy.
	ChangedAt int64 `bson:"changed_at,omitempty"`
	Emptied   bool  `bson:"emptied"`
	// HoursSince is the minute from which on sums of hours are whole; 0: always.
	HoursSince int64 `bson:"hours_since"`

	Pending *pending `bson:"pending,omitempty"`
}

const metaID = "partnergate"

func (m *meta) changedAt() time.Time {
	if m.ChangedAt == 0 {
		return time.Time{}
	}
	return fromMicros(m.ChangedAt)
}

// Open opens the store in the database that the URL names, mongodb://host/database,
// partnergate where it names none. It makes collections and indices that are
// missing. Errors say what to do, and hold no password.
func Open(ctx context.Context, url string) (*Store, error) { return open(ctx, url, managerApp) }

// OpenForCommand is Open for what is no manager, so that Managers does not count it.
func OpenForCommand(ctx context.Context, url string) (*Store, error) {
	return open(ctx, url, commandApp)
}

func open(ctx context.Context, url, app string) (*Store, error) {
	o := options.Client().ApplyURI(url).SetAppName(app + databaseOf(url)).SetRetryReads(true).SetRetryWrites(true).
		SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Majority()).SetWriteConcern(majority()).
		SetServerSelectionTimeout(Patience)
	client, err := driver.Connect(o)
	if err != nil {
		return nil, fmt.Errorf("open the MongoDB store: %w; the URL is like mongodb://user:password@host:27017/partnergate?replicaSet=rs0", err)
	}
	s := &Store{client: client, db: client.Database(databaseOf(url)), id: bson.NewObjectID()}
	for i := range s.slots {
		s.slots[i] = make(chan struct{}, 1)
	}
	for _, step := range []func(context.Context) error{s.checkServer, s.checkSchema, s.makeCollections, s.makeMeta, s.beginHours} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open the MongoDB store: %w", err), s.Close())
		}
	}
	return s, nil
}

func databaseOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "?")
	if _, database, _ := strings.Cut(rest, "/"); database != "" {
		return database
	}
	return defaultDatabase
}

// leastWireVersion is that of MongoDB 6.0.
const leastWireVersion = 17

// checkServer refuses what cannot keep the promises of the store.
func (s *Store) checkServer(ctx context.Context) error {
	var hello struct {
		SetName string `bson:"setName"`
		Message string `bson:"msg"` // isdbgrid for the router of a sharded cluster
		Wire    int    `bson:"maxWireVersion"`
	}
	err := s.call(ctx, "ask the server what it is", func(ctx context.Context) error {
		return s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w; see that the replica set runs, has a primary, and can be reached from here", err)
	case hello.SetName == "" && hello.Message != "isdbgrid":
		return errors.New("the server is a standalone mongod, which has no transactions: start it with --replSet rs0, " +
			"run rs.initiate() once (one member is enough to try it out, three for production), and add replicaSet=rs0 to the URL")
	case hello.Wire < leastWireVersion:
		return errors.New("the server is older than MongoDB 6.0; use 6.0 or later")
	}
	return nil
}

// checkSchema refuses a newer schema, and another program's database.
func (s *Store) checkSchema(ctx context.Context) error {
	var there []string
	var stored []meta
	err := s.call(ctx, "read the schema's version", func(ctx context.Context) (err error) {
		if there, err = s.db.ListCollectionNames(ctx, bson.D{}); err != nil {
			return err
		}
		stored, err = all[meta](ctx, s, metaCollection, byID(metaID))
		return err
	})
	if err != nil {
		return err
	}
	if len(stored) > 0 && stored[0].Schema > schemaVersion {
		return fmt.Errorf("the database %s was written by a newer version of Partnergate (its schema is number %d, this version knows up to %d); "+
			"use that version, or restore a backup that was made before the upgrade", s.db.Name(), stored[0].Schema, schemaVersion)
	}
	for _, name := range there {
		if _, ours := indices[name]; !ours && len(stored) == 0 && !strings.HasPrefix(name, "system.") {
			return fmt.Errorf("the database %s is another program's: it has the collection %s; name another database in the URL", s.db.Name(), name)
		}
	}
	return nil
}

// index is ascending in its fields, but for those that begin with a minus.
func index(fields ...string) driver.IndexModel {
	keys := bson.D{}
	for _, field := range fields {
		name, descending := strings.CutPrefix(field, "-")
		order := 1
		if descending {
			order = -1
		}
		keys = append(keys, bson.E{Key: name, Value: order})
	}
	return driver.IndexModel{Keys: keys}
}

func unique(m driver.IndexModel) driver.IndexModel {
	m.Options = options.Index().SetUnique(true)
	return m
}

// refusals leaves out what was admitted, which is most and never rare: no code
// of a refusal comes before it in the alphabet.
func refusals(m driver.IndexModel) driver.IndexModel {
	m.Options = options.Index().SetPartialFilterExpression(equals("outcome", bson.D{{Key: "$gt", Value: policy.Admitted.String()}}))
	return m
}

// expiring is for what nobody reads any more after so many seconds.
func expiring(field string, seconds int32) driver.IndexModel {
	return driver.IndexModel{Keys: bson.D{{Key: field, Value: 1}}, Options: options.Index().SetExpireAfterSeconds(seconds)}
}

// indices are those of each collection beside its _id.
var indices = map[string][]driver.IndexModel{
	metaCollection:       nil,
	resourceCollection:   nil,
	credentialCollection: {unique(index("digest"))},
	changeCollection:     {expiring("at", changeSeconds)},
	stagedCollection:     nil,
	accountCollection:    nil,
	membershipCollection: {index("_id.partner"), index("_id.email")},
	invitationCollection: {index("_id.partner"), unique(index("digest"))},
	sessionCollection:    {index("expires_at")},
	tokenCollection:      {unique(index("digest"))},
	auditCollection:      {index("-time", "-_id"), index("partner", "-time", "-_id")},
	markCollection:       {index("_id.key", "-until"), index("until")},
	markKeyCollection:    {index("until")},
	usageCollection:      {index("minute"), index("partner", "minute")},
	hourCollection:       {index("_id.hour")},
	requestCollection:    {index("-time", "-_id"), index("partner", "-time", "-_id"), index("product", "-time", "-_id"), refusals(index("outcome", "-time", "-_id")), index("request_id")},
	useCollection:        {index("_id.partner")},
	proxyCollection:      {index("last_sync")},
	bucketCollection:     nil,
	signalCollection:     {expiring("at", 60)},
}

// namespaceExists is MongoDB's code for a collection that is there already.
const namespaceExists = 48

// makeCollections makes those that are missing, all at once: each waits for the
// disks of a majority.
func (s *Store) makeCollections(ctx context.Context) error {
	errs := make(chan error, len(indices))
	for name := range indices {
		go func() { errs <- s.makeCollection(ctx, name) }()
	}
	var all []error
	for range indices {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// indexPatience is how long an index of what is there already may take: one of
// millions of requests takes minutes, and ending the call ends it.
const indexPatience = time.Hour

func (s *Store) makeCollection(ctx context.Context, name string) error {
	return s.callFor(ctx, indexPatience, "make the collection "+name, func(ctx context.Context) error {
		if len(indices[name]) > 0 { // this makes the collection too
			_, err := s.in(name).Indexes().CreateMany(ctx, indices[name], options.CreateIndexes().SetCommitQuorumMajority()) // else a member that is away holds it up
			return err
		}
		err := s.db.CreateCollection(ctx, name)
		var failed driver.ServerError
		if errors.As(err, &failed) && failed.HasErrorCode(namespaceExists) {
			return nil
		}
		return err
	})
}

// makeMeta draws the lineage of a new store.
func (s *Store) makeMeta(ctx context.Context) error {
	lineage := make([]byte, 16)
	_, _ = rand.Read(lineage) // never fails
	return s.call(ctx, "make the document of the schema", func(ctx context.Context) error {
		first := meta{ID: metaID, Schema: schemaVersion, Lineage: lineage}
		_, err := s.in(metaCollection).InsertOne(ctx, first)
		if driver.IsDuplicateKeyError(err) {
			return nil // it is there, or another manager made it just now
		}
		return err
	})
}
