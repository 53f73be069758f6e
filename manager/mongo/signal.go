package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/partnergate/partnergate/manager"
)

var _ manager.Notifier = (*Store)(nil)

// signal is there for a minute, for those who listen.
type signal struct {
	ID     bson.ObjectID `bson:"_id"`
	From   bson.ObjectID `bson:"from"` // the store that gave it
	Proxy  string        `bson:"proxy"`
	Bucket string        `bson:"bucket"`
	At     time.Time     `bson:"at"` // a date, since MongoDB deletes by it
}

// Signal implements manager.Notifier. It does not wait for a majority: a
// signal that is lost with a primary would have come too late anyway.
func (s *Store) Signal(ctx context.Context, signals []manager.Signal) error {
	documents := make([]signal, len(signals))
	for i, one := range signals {
		documents[i] = signal{ID: bson.NewObjectID(), From: s.id, Proxy: one.Proxy, Bucket: one.Bucket, At: time.Now()}
	}
	quick := options.Collection().SetWriteConcern(writeconcern.W1())
	if _, err := s.db.Collection(signalCollection, quick).InsertMany(ctx, documents); err != nil {
		return fmt.Errorf("mongodb store: signal: %w", err)
	}
	return nil
}

// event is what is read of a change.
type event struct {
	Place struct {
		Collection string `bson:"coll"`
	} `bson:"ns"`
	Key struct {
		ID any `bson:"_id"`
	} `bson:"documentKey"`
	Document struct {
		From   bson.ObjectID `bson:"from"`
		Proxy  string        `bson:"proxy"`
		Bucket string        `bson:"bucket"`
	} `bson:"fullDocument"`
}

func (e *event) news(of *Store) (news manager.News, any bool) {
	switch e.Place.Collection {
	case metaCollection:
		return manager.News{Policy: true}, true
	case bucketCollection:
		id, ok := e.Key.ID.(string)
		return manager.News{Bucket: id}, ok
	case signalCollection:
		return manager.News{Signal: manager.Signal{Proxy: e.Document.Proxy, Bucket: e.Document.Bucket}}, e.Document.From != of.id
	}
	return manager.News{}, false
}

// listened is what the server sends of the changes: no state of a bucket.
var listened = driver.Pipeline{
	{{Key: "$match", Value: bson.D{
		{Key: "operationType", Value: bson.D{{Key: "$in", Value: bson.A{"insert", "update", "replace"}}}},
		{Key: "ns.coll", Value: bson.D{{Key: "$in", Value: bson.A{metaCollection, bucketCollection, signalCollection}}}},
	}}},
	{{Key: "$project", Value: bson.D{
		{Key: "ns.coll", Value: 1}, {Key: "documentKey", Value: 1},
		{Key: "fullDocument.from", Value: 1}, {Key: "fullDocument.proxy", Value: 1}, {Key: "fullDocument.bucket", Value: 1},
	}}},
}

// Listen implements manager.Notifier.
func (s *Store) Listen(ctx context.Context, heard func(manager.News)) error {
	stream, err := s.db.Watch(ctx, listened)
	if err != nil {
		return fmt.Errorf("mongodb store: listen: %w", err)
	}
	for stream.Next(ctx) {
		var e event
		if err := stream.Decode(&e); err != nil {
			return errors.Join(fmt.Errorf("mongodb store: listen: %w", err), stream.Close(ctx))
		}
		if news, any := e.news(s); any {
			heard(news)
		}
	}
	return errors.Join(stream.Err(), stream.Close(context.WithoutCancel(ctx)))
}
