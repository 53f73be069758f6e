package mongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// filter gathers conditions that must all hold.
type filter struct{ all bson.A }

func (f *filter) add(name string, value any) { f.all = append(f.all, equals(name, value)) }

// given adds a condition where there is a value.
func (f *filter) given(name, value string) {
	if value != "" {
		f.add(name, value)
	}
}

// between takes a zero time for no bound.
func (f *filter) between(name string, from, to time.Time) {
	if !from.IsZero() {
		f.add(name, bson.D{{Key: "$gte", Value: micros(from)}})
	}
	if !to.IsZero() {
		f.add(name, bson.D{{Key: "$lt", Value: micros(to)}})
	}
}

// beyond adds that an entry of a log is older than the one that a cursor names.
func (f *filter) beyond(cursor string) error {
	if cursor == "" {
		return nil
	}
	p, err := parseCursor(cursor)
	if err != nil {
		return err
	}
	f.add("time", bson.D{{Key: "$lte", Value: p.time}}) // an index can use this, and not the next
	f.add("$or", bson.A{
		bson.D{{Key: "time", Value: bson.D{{Key: "$lt", Value: p.time}}}},
		bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: p.id}}}},
	})
	return nil
}

func (f *filter) conditions() bson.D {
	if len(f.all) == 0 {
		return bson.D{}
	}
	return bson.D{{Key: "$and", Value: f.all}}
}
