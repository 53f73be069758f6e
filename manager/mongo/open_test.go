package mongo_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/mongo"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
	"github.com/partnergate/partnergate/manager/storetest"
)

// refused makes sure that opening fails, and that the error has all the words.
func refused(t *testing.T, url string, words ...string) {
	t.Helper()
	s, err := mongo.Open(t.Context(), url)
	if err == nil {
		t.Fatal("it was opened", s.Close())
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "hunter22") {
		t.Errorf("the error has the password: %v", err)
	}
}

func TestOpenRefusesStandalone(t *testing.T) {
	alone, err := mongod.Start(t.Context(), mongod.Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	url, _, _ := strings.Cut(alone.URL("x"), "?")
	refused(t, url, "standalone", "--replSet", "rs.initiate()")
	if err := alone.Stop(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesBadURLs(t *testing.T) {
	refused(t, "mongodb://", "mongodb://user:password@host:27017/partnergate")
	refused(t, "mongodb://u:hunter22@/x", "mongodb://user:password@host:27017/partnergate")
	refused(t, "postgres://u:hunter22@x/y", "mongodb://user:password@host:27017/partnergate")
}

// databaseOf is the name of the database in a URL of newURL.
func databaseOf(url string) string {
	return url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
}

// past gives access to a database past the store.
func past(t *testing.T, url string, use func(db *driver.Database) error) {
	t.Helper()
	client, err := driver.Connect(options.Client().ApplyURI(url))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(use(client.Database(databaseOf(url))), client.Disconnect(context.WithoutCancel(t.Context()))); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesOtherSchemas(t *testing.T) {
	newer, foreign := newURL(), newURL()
	if err := opened(t, newer).Close(); err != nil {
		t.Fatal(err)
	}
	past(t, newer, func(db *driver.Database) error {
		_, err := db.Collection("meta").UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "schema", Value: 99}}}})
		return err
	})
	refused(t, newer, "newer version of Partnergate", "99", "backup")
	past(t, foreign, func(db *driver.Database) error {
		_, err := db.Collection("track").InsertOne(t.Context(), bson.D{{Key: "title", Value: "x"}})
		return err
	})
	refused(t, foreign, "another program's", "track", "another database")
}

func TestOpenAtOnce(t *testing.T) {
	url := newURL()
	storetest.OpenAtOnce(t, func() (manager.Store, error) { return mongo.Open(t.Context(), url) })
}

// TestLargestDocument stores an OpenAPI document of the largest size that takes
// the most room as JSON: it must fit into a document of MongoDB all the same.
func TestLargestDocument(t *testing.T) {
	s := opened(t, newURL())
	defer func() { _ = s.Close() }() // the end of the test
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 5<<20)
	for i := range text {
		text[i] = byte(1 + random.IntN(31)) // each takes six bytes as JSON
	}
	product := &manager.Product{Metadata: manager.Metadata{Name: "large"}, Spec: manager.ProductSpec{OpenAPI: string(text)}}
	if _, err := s.CommitPolicy(t.Context(), manager.PolicyCommit{Changes: []manager.Change{{Ref: product.Ref(), After: product}}}); err != nil {
		t.Fatal(err)
	}
	policy, err := s.LoadPolicy(t.Context())
	if err != nil || !bytes.Equal([]byte(policy.Resources[0].(*manager.Product).Spec.OpenAPI), text) {
		t.Errorf("the document came back otherwise, error %v", err)
	}
}
