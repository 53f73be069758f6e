package mongo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/partnergate/partnergate/manager"
)

// TestHoursOfAnOlderDatabase counts usage in a database as it was before there were sums of hours: nothing that it held is missing from what is asked.
func TestHoursOfAnOlderDatabase(t *testing.T) {
	t.Parallel()
	url := newURL()
	ctx := context.WithoutCancel(t.Context())
	s := opened(t, url)
	count := func(at time.Time, n int64) {
		t.Helper()
		key := manager.UsageKey{Partner: "acme", Product: "payments", Outcome: "admitted"}
		if err := s.CommitSync(ctx, manager.SyncCommit{Usage: []manager.UsageRow{{Minute: at, Key: key, Requests: n}}}); err != nil {
			t.Fatal(err)
		}
	}
	sum := func(from, to time.Time, want int64) {
		t.Helper()
		sums, err := s.UsageSums(ctx, manager.UsageQuery{From: from, To: to, GroupBy: []manager.UsageDimension{manager.ByProduct}})
		if err != nil || len(sums) != 1 || sums[0].Requests != want {
			t.Errorf("from %v to %v: %v, %v; want %d", from, to, sums, err, want)
		}
	}
	now := time.Now().UTC().Truncate(time.Hour)
	count(now, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	past(t, url, func(db *driver.Database) error {
		_, err := db.Collection("meta").UpdateOne(ctx, bson.D{}, bson.D{{Key: "$unset", Value: bson.D{{Key: "hours_since", Value: ""}}}})
		return errors.Join(err, db.Collection("usage_hour").Drop(ctx))
	})

	s = opened(t, url)
	defer func() { _ = s.Close() }() // what is asked is stored by then
	count(now, 10)
	later := now.Add(72 * time.Hour)
	count(later, 100)
	sum(now, now.Add(time.Hour), 11)
	sum(time.Time{}, time.Time{}, 111)
	past(t, url, func(db *driver.Database) error { // so that only sums of hours can answer
		_, err := db.Collection("usage").DeleteMany(ctx, bson.D{})
		return err
	})
	sum(later, time.Time{}, 100)
}

// TestHoursAfterGoingBack counts usage as a manager without sums of hours does, in a database that had them: none of it is missing from what is asked.
func TestHoursAfterGoingBack(t *testing.T) {
	t.Parallel()
	url := newURL()
	ctx := context.WithoutCancel(t.Context())
	s := opened(t, url)
	hour := time.Now().UTC().Truncate(time.Hour)
	sum := func(want int64) {
		t.Helper()
		sums, err := s.UsageSums(ctx, manager.UsageQuery{From: hour, To: hour.Add(time.Hour)})
		if err != nil || len(sums) != 1 || sums[0].Requests != want {
			t.Errorf("%v, %v; want %d", sums, err, want)
		}
	}
	err := s.CommitSync(ctx, manager.SyncCommit{
		Proxy: &manager.Proxy{ID: "p", LastSync: time.Now()},
		Usage: []manager.UsageRow{{Minute: hour, Key: manager.UsageKey{Partner: "acme", Product: "payments", Outcome: "admitted"}, Requests: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	again := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = opened(t, url)
	}
	again()
	past(t, url, func(db *driver.Database) error { // what the sums lack
		_, err := db.Collection("usage").UpdateOne(ctx, bson.D{}, bson.D{{Key: "$inc", Value: bson.D{{Key: "requests", Value: int64(10)}}}})
		return err
	})
	sum(1)
	past(t, url, func(db *driver.Database) error { // by the manager that counted the ten
		_, err := db.Collection("proxy").UpdateOne(ctx, bson.D{}, bson.D{{Key: "$unset", Value: bson.D{{Key: "hours", Value: ""}}}})
		return err
	})
	again()
	defer func() { _ = s.Close() }() // what is asked is stored by then
	sum(11)
}
