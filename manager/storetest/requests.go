package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var requestTests = []contractTest{
	on("every field comes back", testRequestRoundTrip),
	on("pages are as a plain loop has them", testRequestPages),
	on("pages stay while the log grows", testStablePages),
	on("requests of one moment are all listed", testOneMoment),
	on("a request is found by its id", testRequestID),
	on("bytes that are no text come back", testRawBytes),
	on("a page without a limit is bounded", testUnlimitedPage),
	on("a made-up cursor is invalid", testBadCursor),
}

func logged(n int, at time.Time, key manager.UsageKey) manager.RequestRecord {
	return manager.RequestRecord{Time: at, RequestID: fmt.Sprintf("id-%d", n), Key: key, Credential: "k2345abcdefg", Method: "GET",
		Path: fmt.Sprintf("/v1/pay/%d", n), Status: 429, Limit: "monthly", PolicyVersion: 7, Proxy: "node.0123"}
}

var fullKey = manager.UsageKey{Partner: "acme", Application: "checkout", Product: "payments", Environment: "sandbox", Operation: "pay", Outcome: "limit_exceeded"}

func requests(t *testing.T, s manager.Store, q manager.RequestQuery) *manager.RequestPage {
	t.Helper()
	return got(s.Requests(context.Background(), q))(t)
}

func testRequestRoundTrip(t *testing.T, s manager.Store) {
	equal(t, "empty log", &manager.RequestPage{}, requests(t, s, manager.RequestQuery{Limit: 10}))
	full := logged(1, clock(1), fullKey)
	filled(t, full)
	filled(t, full.Key)
	bare := manager.RequestRecord{Time: clock(0)}
	commitSync(t, s, manager.SyncCommit{Requests: []manager.RequestRecord{bare, full}})
	equal(t, "log", &manager.RequestPage{Items: []manager.RequestRecord{full, bare}}, requests(t, s, manager.RequestQuery{Limit: 10}))
}

// all follows the cursors to the end.
func all(t *testing.T, s manager.Store, q manager.RequestQuery) (items []manager.RequestRecord) {
	t.Helper()
	for {
		page := requests(t, s, q)
		if len(page.Items) > q.Limit || (page.Next != "" && len(page.Items) < q.Limit) {
			t.Fatalf("a page of %d items for the limit %d", len(page.Items), q.Limit)
		}
		items = append(items, page.Items...)
		if q.Cursor = page.Next; page.Next == "" {
			return items
		}
	}
}

func testRequestPages(t *testing.T, s manager.Store) {
	random := rand.New(rand.NewPCG(5, 6))
	var records []manager.RequestRecord
	for i, minute := range random.Perm(400) {
		records = append(records, logged(i, noon.Add(time.Duration(minute)*time.Minute), someKey(random)))
	}
	for batch := range slices.Chunk(records, 90) {
		commitSync(t, s, manager.SyncCommit{Requests: batch})
	}
	slices.SortFunc(records, func(a, b manager.RequestRecord) int { return b.Time.Compare(a.Time) })
	for i := range 150 {
		usage := someQuery(random, i, []manager.UsageDimension{manager.ByDay, manager.ByHour, manager.ByMinute})
		q := manager.RequestQuery{Match: usage.Match, Limit: 1 + random.IntN(60)}
		if !usage.From.IsZero() {
			q.From = usage.From.Add(-time.Duration(random.IntN(3*24)) * time.Hour)
		}
		if i%2 == 0 {
			q.To = clock(random.IntN(500))
		}
		var want []manager.RequestRecord
		for _, r := range records {
			if matches(r.Key, q.Match) && inRange(r.Time, q.From, q.To) {
				want = append(want, r)
			}
		}
		equal(t, fmt.Sprintf("requests of %+v", q), want, all(t, s, q))
	}
}

func testStablePages(t *testing.T, s manager.Store) {
	var want []manager.RequestRecord
	for i := range 25 {
		want = append(want, logged(i, clock(-i), fullKey))
	}
	commitSync(t, s, manager.SyncCommit{Requests: want})
	for _, match := range []manager.UsageKey{{}, {Partner: "acme"}} {
		var have []manager.RequestRecord
		for q := (manager.RequestQuery{Match: match, Limit: 4}); ; {
			page := requests(t, s, q)
			have = append(have, page.Items...)
			if q.Cursor = page.Next; page.Next == "" {
				break
			}
			commitSync(t, s, manager.SyncCommit{Requests: []manager.RequestRecord{logged(100+len(have), clock(100+len(have)), fullKey)}})
		}
		have = slices.DeleteFunc(have, func(r manager.RequestRecord) bool { return r.Time.After(clock(0)) }) // the second round begins with those of the first
		equal(t, "pages", want, have)
	}
}

func testOneMoment(t *testing.T, s manager.Store) {
	seen := map[string]int{}
	for batch := range 4 {
		var records []manager.RequestRecord
		for i := range 10 {
			records = append(records, logged(batch*10+i, clock(0), fullKey))
			seen[records[i].RequestID] = 0
		}
		commitSync(t, s, manager.SyncCommit{Requests: records})
	}
	for _, limit := range []int{1, 3, 10, 39, 40, 41} {
		for _, match := range []manager.UsageKey{{}, {Partner: "acme"}, {Outcome: "limit_exceeded"}} {
			for _, r := range all(t, s, manager.RequestQuery{Match: match, Limit: limit}) {
				seen[r.RequestID]++
			}
		}
	}
	for id, times := range seen {
		if times != 6*3 {
			t.Errorf("%s was listed %d times in 18 listings", id, times)
		}
	}
}

func testRequestID(t *testing.T, s manager.Store) {
	var records []manager.RequestRecord
	for i, id := range append(slices.Clone(hostile), "a") { // "a" was sent twice
		r := logged(i, clock(i), fullKey)
		r.RequestID = id
		records = append(records, r)
	}
	commitSync(t, s, manager.SyncCommit{Requests: records})
	for i, id := range hostile {
		want := []manager.RequestRecord{records[i]}
		if id == "a" {
			want = []manager.RequestRecord{records[len(hostile)], records[i]}
		}
		equal(t, id, want, all(t, s, manager.RequestQuery{RequestID: id, Limit: 1}))
		equal(t, id, want, all(t, s, manager.RequestQuery{RequestID: id, Match: manager.UsageKey{Partner: "acme"}, Limit: 9}))
		equal(t, "another partner's", 0, len(all(t, s, manager.RequestQuery{RequestID: id, Match: manager.UsageKey{Partner: "globex"}, Limit: 9})))
	}
}

func testRawBytes(t *testing.T, s manager.Store) {
	raw := "/\x00\xff\xc0\xaf\xed\xa0\x80"
	r := logged(0, clock(0), fullKey)
	r.Path, r.Method, r.RequestID = raw+strings.Repeat("/\xfe", 30<<10), "G\xffT", raw
	commitSync(t, s, manager.SyncCommit{Requests: []manager.RequestRecord{r}})
	equal(t, "raw bytes", []manager.RequestRecord{r}, all(t, s, manager.RequestQuery{RequestID: raw, Limit: 2}))
}

func testUnlimitedPage(t *testing.T, s manager.Store) {
	var records []manager.RequestRecord
	for i := range 150 {
		records = append(records, logged(i, clock(-i), fullKey))
	}
	commitSync(t, s, manager.SyncCommit{Requests: records})
	for _, limit := range []int{0, -1} {
		page := requests(t, s, manager.RequestQuery{Limit: limit})
		equal(t, "page", records[:100], page.Items)
		if page.Next == "" {
			t.Fatal("the page has no next")
		}
	}
}

func testBadCursor(t *testing.T, s manager.Store) {
	commitSync(t, s, manager.SyncCommit{Requests: []manager.RequestRecord{logged(0, clock(0), fullKey), logged(1, clock(1), fullKey)}})
	good := requests(t, s, manager.RequestQuery{Limit: 1}).Next
	for _, cursor := range append(slices.Clone(hostile), good[:len(good)-3], good+good, "%%%", strings.Repeat("A", 100000)) {
		_, err := s.Requests(context.Background(), manager.RequestQuery{Limit: 1, Cursor: cursor})
		if manager.CodeOf(err) != manager.CodeInvalid {
			t.Errorf("cursor %.40q: error %v, want a *manager.Error of CodeInvalid", cursor, err)
		}
	}
}
