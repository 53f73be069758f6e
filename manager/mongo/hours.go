package mongo

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

// hourID is the _id of what the proxies of one slot counted in an hour.
type hourID struct {
	Hour int64 `bson:"hour"` // its first minute
	Slot int   `bson:"slot"`
}

// sumName is the field of a product's and outcome's sum: words may hold what
// names of fields may not.
func sumName(key *manager.UsageKey) string {
	return base64.RawURLEncoding.EncodeToString([]byte(key.Product)) + "~" + base64.RawURLEncoding.EncodeToString([]byte(key.Outcome))
}

func readSumName(name string) (key manager.UsageKey, err error) {
	product, outcome, _ := strings.Cut(name, "~")
	one, err := base64.RawURLEncoding.DecodeString(product)
	if err != nil {
		return key, err
	}
	other, err := base64.RawURLEncoding.DecodeString(outcome)
	return manager.UsageKey{Product: string(one), Outcome: string(other)}, err
}

// hourWrites is one write for each hour of the rows: most often one.
func hourWrites(rows []manager.UsageRow, slot int) (writes []driver.WriteModel) {
	sums := map[int64]bson.D{}
	for _, sum := range manager.Hourly(rows) {
		hour := minuteOf(sum.Minute)
		sums[hour] = append(sums[hour], bson.E{Key: "sums." + sumName(&sum.Key), Value: sum.Requests})
	}
	for hour, add := range sums {
		writes = append(writes, driver.NewUpdateOneModel().SetFilter(byID(hourID{hour, slot})).SetUpdate(bson.D{{Key: "$inc", Value: add}}).SetUpsert(true))
	}
	return writes
}

// upgradeTime is how long managers that keep no sums of hours may still be at
// work after the first that does.
const upgradeTime = 24 * time.Hour

// beginHours notes from when on sums of hours are whole: in a store that was
// made by a manager without them, and where one was at work again since they
// were, as after going back.
func (s *Store) beginHours(ctx context.Context) error {
	return s.call(ctx, "note from when on there are sums of hours", func(ctx context.Context) error {
		since := bson.D{{Key: "$set", Value: equals("hours_since", minuteOf(time.Now().Add(upgradeTime).Truncate(time.Hour))+bucketMinutes[manager.ByHour])}}
		if _, err := s.in(metaCollection).UpdateOne(ctx, metaWith("hours_since", bson.D{{Key: "$exists", Value: false}}), since); err != nil {
			return err
		}
		var head meta
		if err := s.one(ctx, metaCollection, byID(metaID), &head); err != nil {
			return err
		}
		without := bson.D{{Key: "hours", Value: bson.D{{Key: "$ne", Value: true}}}, {Key: "last_sync", Value: bson.D{{Key: "$gte", Value: micros(time.Unix(head.HoursSince*60, 0))}}}}
		if err := s.in(proxyCollection).FindOne(ctx, without).Err(); errors.Is(err, driver.ErrNoDocuments) {
			return nil
		} else if err != nil {
			return err
		}
		_, err := s.in(metaCollection).UpdateOne(ctx, metaWith("hours_since", head.HoursSince), since)
		return err
	})
}

func metaWith(field string, value any) bson.D { return append(byID(metaID), equals(field, value)...) }

// hoursAnswer tells whether the sums of hours answer the query, and are whole as far as it asks.
func (s *Store) hoursAnswer(ctx context.Context, q *manager.UsageQuery) (bool, error) {
	if !q.Hourly() {
		return false, nil
	}
	var head meta
	err := s.call(ctx, "read from when on there are sums of hours", func(ctx context.Context) error {
		return s.one(ctx, metaCollection, byID(metaID), &head)
	})
	return head.HoursSince == 0 || !q.From.IsZero() && minuteOf(q.From) >= head.HoursSince, err
}

// hourSum is a product's and outcome's sum in a time bucket.
type hourSum struct {
	ID struct {
		At   int64  `bson:"at"` // a minute; 0 where no time is asked for
		Name string `bson:"name"`
	} `bson:"_id"`
	Requests int64 `bson:"requests"`
}

// sumHours is UsageSums by the sums of hours.
func (s *Store) sumHours(ctx context.Context, q manager.UsageQuery) ([]manager.UsageSum, error) {
	var found []hourSum
	err := s.call(ctx, "sum usage by hours", func(ctx context.Context) error {
		cursor, err := s.in(hourCollection).Aggregate(ctx, hourPipeline(&q), options.Aggregate().SetAllowDiskUse(true))
		if err != nil {
			return err
		}
		found = nil
		return cursor.All(ctx, &found)
	})
	if err != nil {
		return nil, err
	}
	return groupHours(found, &q)
}

func hourPipeline(q *manager.UsageQuery) driver.Pipeline {
	var f filter
	if !q.From.IsZero() {
		f.add("_id.hour", bson.D{{Key: "$gte", Value: minutesFrom(q.From)}})
	}
	if !q.To.IsZero() {
		f.add("_id.hour", bson.D{{Key: "$lt", Value: minutesFrom(q.To)}})
	}
	at := bson.D{{Key: "$literal", Value: int64(0)}}
	for _, dimension := range []manager.UsageDimension{manager.ByDay, manager.ByHour} { // the shorter one last
		if slices.Contains(q.GroupBy, dimension) {
			at = bucketOf("$_id.hour", bucketMinutes[dimension])
		}
	}
	group := bson.D{{Key: "at", Value: "$at"}, {Key: "name", Value: "$sums.k"}}
	return driver.Pipeline{
		{{Key: "$match", Value: f.conditions()}},
		{{Key: "$project", Value: bson.D{{Key: "at", Value: at}, {Key: "sums", Value: bson.D{{Key: "$objectToArray", Value: "$sums"}}}}}},
		{{Key: "$unwind", Value: "$sums"}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: group}, {Key: "requests", Value: bson.D{{Key: "$sum", Value: "$sums.v"}}}}}},
	}
}

// groupHours leaves out what does not match, and groups the rest in order.
func groupHours(found []hourSum, q *manager.UsageQuery) (sums []manager.UsageSum, err error) {
	at := map[string]int{}
	for _, f := range found {
		key, err := readSumName(f.ID.Name)
		if err != nil {
			return nil, err
		}
		if q.Match.Product != "" && q.Match.Product != key.Product || q.Match.Outcome != "" && q.Match.Outcome != key.Outcome {
			continue
		}
		group := hourGroup(key, f.ID.At, q.GroupBy)
		place, known := at[joined(group, q.GroupBy)]
		if !known {
			place = len(sums)
			at[joined(group, q.GroupBy)], sums = place, append(sums, manager.UsageSum{Group: group})
		}
		sums[place].Requests += f.Requests
	}
	slices.SortFunc(sums, func(a, b manager.UsageSum) int {
		for _, dimension := range q.GroupBy {
			if order := cmp.Compare(a.Group[dimension], b.Group[dimension]); order != 0 {
				return order
			}
		}
		return 0
	})
	return sums, nil
}

func hourGroup(key manager.UsageKey, at int64, by []manager.UsageDimension) map[manager.UsageDimension]string {
	group := make(map[manager.UsageDimension]string, len(by))
	for _, dimension := range by {
		switch dimension {
		case manager.ByProduct:
			group[dimension] = key.Product
		case manager.ByOutcome:
			group[dimension] = key.Outcome
		default:
			group[dimension] = groupWord(at - at%bucketMinutes[dimension])
		}
	}
	return group
}

// joined is the same for equal groups alone.
func joined(group map[manager.UsageDimension]string, by []manager.UsageDimension) string {
	var text strings.Builder
	for _, dimension := range by {
		text.WriteString(base64.RawURLEncoding.EncodeToString([]byte(group[dimension])))
		text.WriteByte('~')
	}
	return text.String()
}
