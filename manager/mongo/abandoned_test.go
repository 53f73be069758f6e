package mongo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/manager"
)

// open is a transaction between two of its commands, which is where one stays whose manager is killed.
func open(t *testing.T, url, app, collection string, id any) *driver.Session {
	t.Helper()
	client, err := driver.Connect(options.Client().ApplyURI(url).SetAppName(app))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) }) // the end of the test
	session, err := client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	change := bson.D{{Key: "$set", Value: bson.D{{Key: "revision", Value: int64(77)}}}}
	documents := client.Database(databaseOf(url)).Collection(collection)
	_, err = documents.UpdateOne(driver.NewSessionContext(t.Context(), session), bson.D{{Key: "_id", Value: id}}, change, options.UpdateOne().SetUpsert(true))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// TestAbandonedTransaction leaves transactions open in what others want to
// write, with MongoDB's own limit of a minute: calls give up after 20 s.
func TestAbandonedTransaction(t *testing.T) {
	t.Parallel()
	url := newURL()
	s := opened(t, url)
	defer func() { _ = s.Close() }() // the end of the test
	commit := manager.SyncCommit{Proxy: &manager.Proxy{ID: "p", LastSync: time.Unix(1, 0)}, Buckets: []manager.Bucket{{ID: "b"}}}
	if err := s.CommitSync(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
	longest := time.Duration(0)
	for _, left := range []struct {
		collection, id string
		call           func() error
	}{
		{"proxy", "p", func() error {
			commit.Proxy.Revision = 1
			commit.Buckets = nil
			return s.CommitSync(t.Context(), commit)
		}},
		{"bucket", "b", func() error {
			return s.CommitSync(t.Context(), manager.SyncCommit{Buckets: []manager.Bucket{{ID: "b", Revision: 1}}})
		}},
		{"meta", "partnergate", func() error { _, err := s.CommitPolicy(t.Context(), manager.PolicyCommit{}); return err }},
		{"proxy", "p", func() error { return s.DeleteProxiesBefore(t.Context(), time.Unix(2, 0)) }}, // in no transaction: the server waits
	} {
		foreign := open(t, url, "backup", "meta", "other") // one for each call, since MongoDB ends it after a minute
		session := open(t, url, "partnergate "+databaseOf(url), left.collection, left.id)
		began := time.Now()
		if err := left.call(); err != nil {
			t.Errorf("with a transaction left open in %s: %v", left.collection, err)
		}
		longest = max(longest, time.Since(began))
		// A manager that only stood still is told that nothing of it is stored.
		var labeled driver.LabeledError
		if err := session.CommitTransaction(t.Context()); !errors.As(err, &labeled) || !labeled.HasErrorLabel("TransientTransactionError") {
			t.Errorf("the commit of what was ended: %v, want an error after which it begins anew", err)
		}
		if err := foreign.CommitTransaction(t.Context()); err != nil {
			t.Errorf("another program's transaction was ended: %v", err)
		}
	}
	t.Logf("the longest call took %v", longest)
	reliability.Record(t, reliability.Row{
		Fault:    "MongoDB: a manager is killed within a transaction",
		Done:     "transactions left open between two commands, in a proxy, a bucket and the policy, with MongoDB's default limit of a minute",
		Promised: "another manager ends them and goes on within the 20 s that a call may take; a manager that only stood still stores nothing and begins anew",
		Seen:     "as promised",
	})
}
