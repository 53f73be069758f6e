package mongo

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

// markID is the _id of a mark.
type markID struct {
	Key string `bson:"key"`
	ID  string `bson:"id"`
}

type mark struct {
	ID    markID `bson:"_id"`
	Until int64  `bson:"until"`
}

// TakeMarks implements manager.MarkStore. Whoever takes marks of a key changes
// the key's own document first, so that of two at once one waits for the other.
func (s *Store) TakeMarks(ctx context.Context, now time.Time, marks []manager.Mark) (free time.Time, err error) {
	err = s.atomically(ctx, "take marks", func(ctx context.Context) error {
		free = time.Time{}
		if _, err := s.bulk(ctx, markKeyCollection, keyWrites(marks)); err != nil {
			return err
		}
		for _, m := range marks {
			at, err := s.room(ctx, now, m)
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
		var writes []driver.WriteModel
		for _, m := range marks {
			writes = append(writes, driver.NewUpdateOneModel().SetFilter(byID(markID{m.Key, m.ID})).
				SetUpdate(bson.D{{Key: "$max", Value: equals("until", micros(m.Until))}}).SetUpsert(true))
		}
		_, err := s.bulk(ctx, markCollection, writes)
		return err
	})
	return free, err
}

// keyWrites are in the order of the keys, so that no two wait for each other in a circle.
func keyWrites(marks []manager.Mark) (writes []driver.WriteModel) {
	marks = slices.Clone(marks)
	slices.SortFunc(marks, func(a, b manager.Mark) int { return cmp.Compare(a.Key, b.Key) })
	for _, m := range marks {
		update := bson.D{{Key: "$inc", Value: equals("takes", int64(1))}, {Key: "$max", Value: equals("until", micros(m.Until))}}
		writes = append(writes, driver.NewUpdateOneModel().SetFilter(byID(m.Key)).SetUpdate(update).SetUpsert(true))
	}
	return writes
}

// room is zero where m can be stored, else when it can.
func (s *Store) room(ctx context.Context, now time.Time, m manager.Mark) (time.Time, error) {
	if m.Most < 1 {
		return time.Time{}, nil
	}
	var there mark
	marked := bson.D{{Key: "_id", Value: markID{m.Key, m.ID}}, {Key: "until", Value: after(now)}}
	if err := s.one(ctx, markCollection, marked, &there); err == nil || !errors.Is(err, manager.ErrMissing) {
		return time.Time{}, err
	}
	// The one that must end is the Most-th of those that end last.
	var last mark
	order := options.FindOne().SetSort(equals("until", -1)).SetSkip(int64(m.Most) - 1)
	err := s.in(markCollection).FindOne(ctx, marksOf(m.Key, now), order).Decode(&last)
	if errors.Is(err, driver.ErrNoDocuments) {
		return time.Time{}, nil
	}
	return fromMicros(last.Until), err
}

func marksOf(key string, now time.Time) bson.D {
	return bson.D{{Key: "_id.key", Value: key}, {Key: "until", Value: after(now)}}
}

// Marks implements manager.MarkStore.
func (s *Store) Marks(ctx context.Context, now time.Time, keys ...string) ([]int, error) {
	counts := make([]int, len(keys))
	err := s.call(ctx, "count marks", func(ctx context.Context) error {
		for i, key := range keys {
			n, err := s.in(markCollection).CountDocuments(ctx, marksOf(key, now))
			if err != nil {
				return err
			}
			counts[i] = int(n)
		}
		return nil
	})
	return counts, err
}

// MarkedIDs implements manager.MarkStore.
func (s *Store) MarkedIDs(ctx context.Context, now time.Time, key string) (ids []string, err error) {
	var marks []mark
	err = s.call(ctx, "list marks", func(ctx context.Context) (err error) {
		marks, err = all[mark](ctx, s, markCollection, marksOf(key, now))
		return err
	})
	for _, m := range marks {
		ids = append(ids, m.ID.ID)
	}
	slices.Sort(ids)
	return ids, err
}

// DeleteMarks implements manager.MarkStore.
func (s *Store) DeleteMarks(ctx context.Context, marks []manager.Mark, audit ...manager.AuditEntry) error {
	var writes []driver.WriteModel
	for _, m := range marks {
		filter := byID(markID{m.Key, m.ID})
		if m.ID == "" {
			filter = equals("_id.key", m.Key)
		}
		writes = append(writes, driver.NewDeleteManyModel().SetFilter(filter))
	}
	return s.atomically(ctx, "delete marks", func(ctx context.Context) error {
		_, err := s.bulk(ctx, markCollection, writes)
		return s.audited(ctx, audit, err)
	})
}

// DeleteExpiredMarks implements manager.MarkStore.
func (s *Store) DeleteExpiredMarks(ctx context.Context, now time.Time) error {
	ended := equals("until", until(now))
	return errors.Join(s.delete(ctx, "delete expired marks", markCollection, ended),
		s.delete(ctx, "delete keys of expired marks", markKeyCollection, ended))
}
