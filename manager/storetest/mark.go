package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var markTests = []contractTest{
	on("marks count until they end", testMarksEnd),
	on("a full key says when it is free", testFullKey),
	on("all marks are taken or none", testAllOrNone),
	on("marks are deleted", testDeleteMarks),
	{"no more are taken than there is room for", testMarksTogether},
}

// mark is one of at most 3 under its key.
func mark(key, id string, minutes int) manager.Mark {
	return manager.Mark{Key: key, ID: id, Until: clock(minutes), Most: 3}
}

func wantTaken(t *testing.T, s manager.Store, now time.Time, free time.Time, marks ...manager.Mark) {
	t.Helper()
	have := got(s.TakeMarks(context.Background(), now, marks))(t)
	if !have.Equal(free) {
		t.Fatalf("free at %v, want %v", have, free)
	}
}

func wantMarks(t *testing.T, s manager.Store, now time.Time, key string, want int) {
	t.Helper()
	equal(t, "marks of "+key, []int{0, want}, got(s.Marks(context.Background(), now, "nothing", key))(t))
}

func testMarksEnd(t *testing.T, s manager.Store) {
	never := time.Time{}
	for _, key := range hostile {
		for i, id := range []string{"a", "A", "\x00"} {
			wantTaken(t, s, clock(0), never, mark(key, id, 10+i))
		}
		wantMarks(t, s, clock(0), key, 3)
		wantMarks(t, s, clock(10), key, 2)
		wantMarks(t, s, clock(12), key, 0)
	}
	wantTaken(t, s, clock(0), never, mark("again", "a", 10), mark("again", "b", 10), mark("again", "c", 10))
	wantTaken(t, s, clock(5), never, mark("again", "a", 15), mark("again", "b", 7)) // marked already: no room is needed
	equal(t, "ids", []string{"a", "b", "c"}, got(s.MarkedIDs(context.Background(), clock(9), "again"))(t))
	equal(t, "ids", []string{"a"}, got(s.MarkedIDs(context.Background(), clock(10), "again"))(t))
	equal(t, "ids", 0, len(got(s.MarkedIDs(context.Background(), clock(10), "nothing"))(t)))
	wantMarks(t, s, clock(9), "again", 3)
	wantMarks(t, s, clock(10), "again", 1)
}

func testFullKey(t *testing.T, s manager.Store) {
	never := time.Time{}
	for i := range 3 {
		wantTaken(t, s, clock(0), never, mark("k", fmt.Sprint(i), 10+i))
	}
	wantTaken(t, s, clock(0), clock(10), mark("k", "more", 20))
	wantTaken(t, s, clock(9), clock(10), mark("k", "more", 20))
	one := mark("k", "more", 20)
	one.Most = 1
	wantTaken(t, s, clock(9), clock(12), one) // room for one is when all have ended
	one.Most = 0
	wantTaken(t, s, clock(9), never, one)
	wantTaken(t, s, clock(10), clock(11), mark("k", "last", 20)) // two of the first, and more
	wantTaken(t, s, clock(11), never, mark("k", "last", 20))
}

func testAllOrNone(t *testing.T, s manager.Store) {
	never := time.Time{}
	wantTaken(t, s, clock(0), never, mark("full", "1", 5), mark("full", "2", 6), mark("full", "3", 7))
	wantTaken(t, s, clock(0), clock(5), mark("free", "1", 9), mark("full", "4", 9))
	wantMarks(t, s, clock(0), "free", 0)
	wantTaken(t, s, clock(0), never, mark("fuller", "1", 9), mark("fuller", "2", 9), mark("fuller", "3", 9))
	wantTaken(t, s, clock(0), clock(9), mark("full", "4", 9), mark("fuller", "4", 9))
}

func testDeleteMarks(t *testing.T, s manager.Store) {
	ctx := context.Background()
	for _, key := range []string{"a", "b"} {
		wantTaken(t, s, clock(0), time.Time{}, mark(key, "1", 5), mark(key, "2", 6), mark(key, "3", 7))
	}
	must(t, s.DeleteMarks(ctx, []manager.Mark{{Key: "a"}, {Key: "b", ID: "1"}, {Key: "c"}}))
	wantMarks(t, s, clock(0), "a", 0)
	wantMarks(t, s, clock(0), "b", 2)
	wantAudit(t, s)
	must(t, s.DeleteMarks(ctx, []manager.Mark{{Key: "c"}}, entry("unlocked")))
	wantAudit(t, s, entry("unlocked"))
	must(t, s.DeleteExpiredMarks(ctx, clock(6)))
	wantMarks(t, s, clock(0), "b", 1) // also where they had not ended yet
}

func testMarksTogether(t *testing.T, open Open) {
	stores := []manager.Store{opened(t, open), opened(t, open)}
	var taken atomic.Int32
	together(t, 16, func(worker int) error {
		m := manager.Mark{Key: "k", ID: fmt.Sprint(worker), Until: clock(15), Most: 10}
		other := manager.Mark{Key: "other", ID: fmt.Sprint(worker), Until: clock(15), Most: 100}
		free, err := stores[worker%2].TakeMarks(context.Background(), clock(0), []manager.Mark{m, other})
		if err == nil && free.IsZero() {
			taken.Add(1)
		}
		return err
	})
	equal(t, "taken", int32(10), taken.Load())
	wantMarks(t, stores[0], clock(0), "k", 10)
	wantMarks(t, stores[1], clock(0), "other", 10)
}
