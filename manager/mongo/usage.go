package mongo

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

// usageSlots is into how many documents the requests of one key and minute are
// spread: each proxy adds to one of them, so that commits of different proxies
// seldom get in each other's way.
const usageSlots = 16

func slotOf(proxy *manager.Proxy) int {
	if proxy == nil {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(proxy.ID)) // never fails
	return int(h.Sum32() % usageSlots)
}

// usageID is the same for the same minute, slot and key, and grows with the minute.
func usageID(minute int64, slot int, key *manager.UsageKey) []byte {
	head := binary.BigEndian.AppendUint64(nil, uint64(minute))
	rest := []byte{byte(slot)}
	for _, word := range words(key) {
		rest = binary.AppendUvarint(rest, uint64(len(word)))
		rest = append(rest, word...)
	}
	sum := sha256.Sum256(rest)
	return append(head, sum[:20]...)
}

var wordNames = []string{"partner", "application", "product", "environment", "operation", "outcome"}

func words(key *manager.UsageKey) []string {
	return []string{key.Partner, key.Application, key.Product, key.Environment, key.Operation, key.Outcome}
}

// fields are the words of a key.
func fields(key *manager.UsageKey) bson.D {
	d := make(bson.D, len(wordNames))
	for i, word := range words(key) {
		d[i] = bson.E{Key: wordNames[i], Value: word}
	}
	return d
}

func usageWrites(rows []manager.UsageRow, slot int) []driver.WriteModel {
	at := map[string]int{}
	var sums []int64
	var writes []driver.WriteModel
	for i := range rows {
		minute := minuteOf(rows[i].Minute)
		id := usageID(minute, slot, &rows[i].Key)
		place, known := at[string(id)]
		if !known {
			place = len(writes)
			at[string(id)] = place
			sums, writes = append(sums, 0), append(writes, nil)
		}
		sums[place] += rows[i].Requests
		update := bson.D{
			{Key: "$inc", Value: equals("requests", sums[place])},
			{Key: "$setOnInsert", Value: append(fields(&rows[i].Key), bson.E{Key: "minute", Value: minute})},
		}
		writes[place] = driver.NewUpdateOneModel().SetFilter(byID(id)).SetUpdate(update).SetUpsert(true)
	}
	return writes
}

// useID is the _id of when a credential was used, as the proxies of one slot say.
type useID struct {
	Partner    string `bson:"partner"`
	Credential string `bson:"credential"`
	Slot       int    `bson:"slot"`
}

type credentialUse struct {
	ID useID `bson:"_id"`
	At int64 `bson:"at"`
}

func useWrites(uses map[string]map[string]time.Time, slot int) (writes []driver.WriteModel) {
	for partner, credentials := range uses {
		for credential, at := range credentials {
			update := bson.D{{Key: "$max", Value: equals("at", micros(at))}}
			writes = append(writes, driver.NewUpdateOneModel().SetFilter(byID(useID{partner, credential, slot})).SetUpdate(update).SetUpsert(true))
		}
	}
	return writes
}

// CredentialUses implements manager.UsageStore.
func (s *Store) CredentialUses(ctx context.Context, partner string) (map[string]time.Time, error) {
	var stored []credentialUse
	err := s.call(ctx, "read when credentials were used", func(ctx context.Context) (err error) {
		stored, err = all[credentialUse](ctx, s, useCollection, equals("_id.partner", partner))
		return err
	})
	if err != nil {
		return nil, err
	}
	uses := map[string]time.Time{}
	for _, u := range stored {
		if at := fromMicros(u.At); at.After(uses[u.ID.Credential]) {
			uses[u.ID.Credential] = at
		}
	}
	return uses, nil
}

// minuteOf is the minute that t lies in.
func minuteOf(t time.Time) int64 {
	minute := t.Unix() / 60
	if t.Unix()%60 < 0 {
		minute--
	}
	return minute
}

// minutesFrom is the first minute that does not begin before t.
func minutesFrom(t time.Time) int64 { return minuteOf(t.Add(time.Minute - 1)) }

// bucketMinutes are the time buckets' lengths.
var bucketMinutes = map[manager.UsageDimension]int64{manager.ByMinute: 1, manager.ByHour: 60, manager.ByDay: 24 * 60}

// UsageSums implements manager.UsageStore. A minute belongs to [From, To)
// where it begins in it; a zero From or To is no bound.
func (s *Store) UsageSums(ctx context.Context, q manager.UsageQuery) (sums []manager.UsageSum, err error) {
	hourly, err := s.hoursAnswer(ctx, &q)
	if err != nil {
		return nil, err
	}
	if hourly {
		return s.sumHours(ctx, q)
	}
	pipeline, err := sumPipeline(q)
	if err != nil {
		return nil, err
	}
	var groups []struct {
		Group    bson.D `bson:"_id"`
		Requests int64  `bson:"requests"`
	}
	err = s.call(ctx, "sum usage", func(ctx context.Context) error {
		cursor, err := s.in(usageCollection).Aggregate(ctx, pipeline, options.Aggregate().SetAllowDiskUse(true))
		if err != nil {
			return err
		}
		groups = nil
		return cursor.All(ctx, &groups)
	})
	for _, g := range groups {
		sum := manager.UsageSum{Group: make(map[manager.UsageDimension]string, len(q.GroupBy)), Requests: g.Requests}
		for i, value := range g.Group {
			sum.Group[q.GroupBy[i]] = groupWord(value.Value)
		}
		sums = append(sums, sum)
	}
	return sums, err
}

// groupWord is a word, or the beginning of a time bucket.
func groupWord(value any) string {
	if minute, ok := value.(int64); ok {
		return time.Unix(minute*60, 0).UTC().Format(time.RFC3339)
	}
	word, _ := value.(string) // nothing else is stored
	return word
}

// sumPipeline names its groups g0, g1 and so on, in the order asked for.
func sumPipeline(q manager.UsageQuery) (driver.Pipeline, error) {
	var f filter
	for i, word := range words(&q.Match) {
		f.given(wordNames[i], word)
	}
	if !q.From.IsZero() {
		f.add("minute", bson.D{{Key: "$gte", Value: minutesFrom(q.From)}})
	}
	if !q.To.IsZero() {
		f.add("minute", bson.D{{Key: "$lt", Value: minutesFrom(q.To)}})
	}
	group, order := bson.D{}, bson.D{}
	for i, dimension := range q.GroupBy {
		expression, err := groupExpression(dimension)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("g%d", i)
		group = append(group, bson.E{Key: name, Value: expression})
		order = append(order, bson.E{Key: "_id." + name, Value: 1})
	}
	pipeline := driver.Pipeline{
		{{Key: "$match", Value: f.conditions()}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: group}, {Key: "requests", Value: bson.D{{Key: "$sum", Value: "$requests"}}}}}},
	}
	if len(order) > 0 {
		pipeline = append(pipeline, bson.D{{Key: "$sort", Value: order}})
	}
	return pipeline, nil
}

// bucketOf is the first minute of the bucket of that length.
func bucketOf(minute string, length int64) bson.D {
	rest := bson.D{{Key: "$mod", Value: bson.A{minute, length}}}
	return bson.D{{Key: "$subtract", Value: bson.A{minute, rest}}}
}

func groupExpression(dimension manager.UsageDimension) (any, error) {
	if length, ok := bucketMinutes[dimension]; ok {
		return bucketOf("$minute", length), nil
	}
	for _, name := range wordNames {
		if string(dimension) == name {
			return "$" + name, nil
		}
	}
	return nil, &manager.Error{
		Code:    manager.CodeInvalid,
		Message: fmt.Sprintf("usage cannot be grouped by %q", dimension),
		Fields:  []manager.Field{{Path: "group_by", Message: "must be partner, application, product, environment, operation, outcome, minute, hour or day"}},
	}
}

// deleteStep is how many documents one command deletes at most.
const deleteStep = 2000

// DeleteUsageBefore implements manager.UsageStore.
func (s *Store) DeleteUsageBefore(ctx context.Context, usage, requests time.Time) error {
	hour := minuteOf(usage.Truncate(time.Hour))
	if err := s.deleteInSteps(ctx, "delete old usage", usageCollection, "minute", hour); err != nil {
		return err
	}
	if err := s.deleteInSteps(ctx, "delete old sums of usage", hourCollection, "_id.hour", hour); err != nil {
		return err
	}
	return s.deleteInSteps(ctx, "delete old requests", requestCollection, "time", micros(requests))
}

func (s *Store) deleteInSteps(ctx context.Context, doing, collection, field string, before int64) error {
	old := equals(field, bson.D{{Key: "$lt", Value: before}})
	ids := options.Find().SetProjection(equals("_id", 1)).SetSort(equals(field, 1)).SetLimit(deleteStep)
	for {
		found := 0
		err := s.call(ctx, doing, func(ctx context.Context) error {
			documents, err := all[bson.D](ctx, s, collection, old, ids)
			if err != nil || len(documents) == 0 {
				return err
			}
			found = len(documents)
			these := make(bson.A, found)
			for i := range documents {
				these[i] = documents[i][0].Value
			}
			_, err = s.in(collection).DeleteMany(ctx, byID(bson.D{{Key: "$in", Value: these}}))
			return err
		})
		if err != nil || found < deleteStep {
			return err
		}
	}
}
