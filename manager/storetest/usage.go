package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

var usageTests = []contractTest{
	on("sums are as a plain loop has them", testUsageSums),
	on("sums of whole hours are as a plain loop has them", testHourlySums),
	on("counts add up over commits and within one", testUsageAdds),
	on("a minute belongs to the range it begins in", testUsageRange),
	on("time buckets are RFC 3339 in UTC", testTimeBuckets),
	on("words are told apart byte by byte", testHostileUsage),
	on("an unknown dimension is invalid", testUnknownDimension),
	on("the latest use of a credential stays", testCredentialUses),
	on("old usage is deleted", testDeleteUsage),
	on("usage is deleted by whole hours", testDeleteWholeHours),
}

// counted is one row of usage.
func counted(minute int, partner, outcome string, n int64) manager.UsageRow {
	return manager.UsageRow{Minute: noon.Add(time.Duration(minute) * time.Minute).In(zone), Requests: n,
		Key: manager.UsageKey{Partner: partner, Application: "checkout", Product: "payments", Environment: "sandbox", Operation: "pay", Outcome: outcome}}
}

// commitSync commits for a proxy that nothing else is about.
func commitSync(t *testing.T, s manager.Store, c manager.SyncCommit) {
	t.Helper()
	must(t, s.CommitSync(context.Background(), c))
}

func total(t *testing.T, s manager.Store, q manager.UsageQuery) (n int64) {
	t.Helper()
	for _, sum := range got(s.UsageSums(context.Background(), q))(t) {
		n += sum.Requests
	}
	return n
}

// sumPlainly is what UsageSums must answer.
func sumPlainly(rows []manager.UsageRow, q manager.UsageQuery) []manager.UsageSum {
	var sums []manager.UsageSum
	for _, row := range rows {
		if !matches(row.Key, q.Match) || !inRange(row.Minute, q.From, q.To) {
			continue
		}
		group := map[manager.UsageDimension]string{}
		for _, dimension := range q.GroupBy {
			group[dimension] = word(row, dimension)
		}
		i, found := slices.BinarySearchFunc(sums, group, func(sum manager.UsageSum, group map[manager.UsageDimension]string) int {
			for _, dimension := range q.GroupBy {
				if order := cmp.Compare(sum.Group[dimension], group[dimension]); order != 0 {
					return order
				}
			}
			return 0
		})
		if !found {
			sums = slices.Insert(sums, i, manager.UsageSum{Group: group})
		}
		sums[i].Requests += row.Requests
	}
	return sums
}

func matches(key, match manager.UsageKey) bool {
	for _, pair := range [][2]string{
		{match.Partner, key.Partner}, {match.Application, key.Application}, {match.Product, key.Product},
		{match.Environment, key.Environment}, {match.Operation, key.Operation}, {match.Outcome, key.Outcome},
	} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return true
}

func inRange(t, from, to time.Time) bool {
	return !t.Before(from) && (to.IsZero() || t.Before(to))
}

func word(row manager.UsageRow, dimension manager.UsageDimension) string {
	at := row.Minute.UTC()
	return map[manager.UsageDimension]string{
		manager.ByPartner: row.Key.Partner, manager.ByApplication: row.Key.Application, manager.ByProduct: row.Key.Product,
		manager.ByEnvironment: row.Key.Environment, manager.ByOperation: row.Key.Operation, manager.ByOutcome: row.Key.Outcome,
		manager.ByMinute: at.Format(time.RFC3339),
		manager.ByHour:   at.Truncate(time.Hour).Format(time.RFC3339),
		manager.ByDay:    at.Truncate(24 * time.Hour).Format(time.RFC3339),
	}[dimension]
}

// someKey draws from few words, so that keys meet again; some are unknown.
func someKey(random *rand.Rand) manager.UsageKey {
	draw := func(words ...string) string { return words[random.IntN(len(words))] }
	return manager.UsageKey{
		Partner: draw("", "acme", "globex", "a\x00b"), Application: draw("", "checkout"), Product: draw("payments", "risk", "$ne"),
		Environment: draw("sandbox", "production"), Operation: draw("pay", "GET /v1/é", ""), Outcome: draw("admitted", "limit_exceeded"),
	}
}

func testUsageSums(t *testing.T, s manager.Store) {
	random := rand.New(rand.NewPCG(3, 4))
	var rows []manager.UsageRow
	for range 600 {
		minute := noon.Add(time.Duration(random.IntN(4*24*60)) * time.Minute)
		rows = append(rows, manager.UsageRow{Minute: minute, Key: someKey(random), Requests: int64(random.IntN(1000))})
	}
	for batch := range slices.Chunk(rows, 150) {
		commitSync(t, s, manager.SyncCommit{Usage: batch})
	}
	dimensions := []manager.UsageDimension{manager.ByPartner, manager.ByApplication, manager.ByProduct, manager.ByEnvironment,
		manager.ByOperation, manager.ByOutcome, manager.ByMinute, manager.ByHour, manager.ByDay}
	for i := range 300 {
		q := someQuery(random, i, dimensions)
		equal(t, fmt.Sprintf("sums of %+v", q), sumPlainly(rows, q), got(s.UsageSums(context.Background(), q))(t))
	}
}

// hour is a whole hour after noon.
func hour(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }

// testHourlySums asks what stores may answer from sums that they keep by the hour.
func testHourlySums(t *testing.T, s manager.Store) {
	random := rand.New(rand.NewPCG(7, 8))
	var rows []manager.UsageRow
	for i := range 40 { // late and early batches of several proxies, which add to the same hours
		var batch []manager.UsageRow
		for range 20 {
			batch = append(batch, manager.UsageRow{Minute: noon.Add(time.Duration(random.IntN(3*24*60)) * time.Minute).In(zone), Key: someKey(random), Requests: int64(random.IntN(1000))})
		}
		id := fmt.Sprintf("node.%04d", i%3)
		commitSync(t, s, manager.SyncCommit{Proxy: &manager.Proxy{ID: id, Node: "node", Revision: int64(i / 3)}, Usage: batch})
		rows = append(rows, batch...)
	}
	by := []manager.UsageDimension{manager.ByProduct, manager.ByOutcome, manager.ByHour, manager.ByDay}
	for i := range 150 {
		var q manager.UsageQuery
		if key := someKey(random); i%3 > 0 {
			q.Match.Product = key.Product
		} else if i%2 == 0 {
			q.Match.Outcome = key.Outcome
		}
		if random.IntN(3) > 0 {
			q.From = hour(random.IntN(3 * 24)).In(zone)
		}
		if random.IntN(3) > 0 {
			q.To = hour(random.IntN(4 * 24))
		}
		for _, place := range random.Perm(len(by))[:random.IntN(len(by)+1)] {
			q.GroupBy = append(q.GroupBy, by[place])
		}
		if !q.Hourly() {
			t.Fatalf("%+v is not about whole hours", q)
		}
		equal(t, fmt.Sprintf("sums of %+v", q), sumPlainly(rows, q), got(s.UsageSums(context.Background(), q))(t))
	}
}

func someQuery(random *rand.Rand, i int, dimensions []manager.UsageDimension) manager.UsageQuery {
	var q manager.UsageQuery
	if i%3 > 0 {
		q.Match = someKey(random)
	}
	if i%3 == 1 { // one field, or few would match
		q.Match = manager.UsageKey{Partner: q.Match.Partner}
	}
	if random.IntN(3) > 0 {
		q.From = clock(random.IntN(3 * 24 * 60))
	}
	if random.IntN(3) > 0 {
		q.To = clock(random.IntN(4 * 24 * 60))
	}
	for _, place := range random.Perm(len(dimensions))[:random.IntN(4)] {
		q.GroupBy = append(q.GroupBy, dimensions[place])
	}
	return q
}

func testUsageAdds(t *testing.T, s manager.Store) {
	equal(t, "no usage, no sum", 0, len(got(s.UsageSums(context.Background(), manager.UsageQuery{}))(t)))
	for range 3 {
		commitSync(t, s, manager.SyncCommit{Usage: []manager.UsageRow{counted(0, "acme", "admitted", 5), counted(0, "acme", "admitted", 1<<40), counted(1, "acme", "admitted", 1)}})
	}
	sums := got(s.UsageSums(context.Background(), manager.UsageQuery{}))(t)
	equal(t, "sum", []manager.UsageSum{{Group: map[manager.UsageDimension]string{}, Requests: 3 * (5 + 1<<40 + 1)}}, sums)
}

func testUsageRange(t *testing.T, s manager.Store) {
	commitSync(t, s, manager.SyncCommit{Usage: []manager.UsageRow{counted(-1, "acme", "x", 1), counted(0, "acme", "x", 10), counted(1, "acme", "x", 100)}})
	for _, test := range []struct {
		from, to time.Time
		want     int64
	}{
		{time.Time{}, time.Time{}, 111},
		{noon, time.Time{}, 110},
		{noon.Add(1), time.Time{}, 100},
		{time.Time{}, noon, 1},
		{time.Time{}, noon.Add(1), 11},
		{noon, noon.Add(time.Minute).In(zone), 10},
		{noon.Add(time.Minute), noon, 0},
	} {
		for _, partner := range []string{"", "acme"} {
			q := manager.UsageQuery{From: test.from, To: test.to, Match: manager.UsageKey{Partner: partner}}
			if n := total(t, s, q); n != test.want {
				t.Errorf("%d in [%v, %v) of partner %q, want %d", n, test.from, test.to, partner, test.want)
			}
		}
	}
}

func testTimeBuckets(t *testing.T, s manager.Store) {
	commitSync(t, s, manager.SyncCommit{Usage: []manager.UsageRow{counted(-1, "acme", "x", 1), counted(61, "acme", "x", 10), counted(12*60, "acme", "x", 100)}})
	for dimension, want := range map[manager.UsageDimension][]string{
		manager.ByMinute: {"2026-03-01T11:59:00Z", "2026-03-01T13:01:00Z", "2026-03-02T00:00:00Z"},
		manager.ByHour:   {"2026-03-01T11:00:00Z", "2026-03-01T13:00:00Z", "2026-03-02T00:00:00Z"},
		manager.ByDay:    {"2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"},
	} {
		var have []string
		for _, sum := range got(s.UsageSums(context.Background(), manager.UsageQuery{GroupBy: []manager.UsageDimension{dimension}}))(t) {
			have = append(have, sum.Group[dimension])
		}
		equal(t, string(dimension), want, have)
	}
}

func testHostileUsage(t *testing.T, s manager.Store) {
	var rows []manager.UsageRow
	var want []manager.UsageSum
	for i, text := range hostile {
		row := counted(0, text, text, int64(i+1))
		row.Key.Application, row.Key.Product, row.Key.Environment, row.Key.Operation = text, text, text, text
		rows = append(rows, row)
		want = append(want, manager.UsageSum{Group: map[manager.UsageDimension]string{manager.ByPartner: text, manager.ByOperation: text}, Requests: int64(i + 1)})
	}
	commitSync(t, s, manager.SyncCommit{Usage: rows})
	group := []manager.UsageDimension{manager.ByPartner, manager.ByOperation}
	equal(t, "all", want, got(s.UsageSums(context.Background(), manager.UsageQuery{GroupBy: group}))(t))
	for i, row := range rows {
		equal(t, "one", want[i:i+1], got(s.UsageSums(context.Background(), manager.UsageQuery{Match: row.Key, GroupBy: group}))(t))
	}
}

func testUnknownDimension(t *testing.T, s manager.Store) {
	for _, dimension := range []manager.UsageDimension{"", "requests", "partner, 1", `{"$ne":null}`} {
		_, err := s.UsageSums(context.Background(), manager.UsageQuery{GroupBy: []manager.UsageDimension{dimension}})
		if manager.CodeOf(err) != manager.CodeInvalid {
			t.Errorf("grouped by %q: error %v, want a *manager.Error of CodeInvalid", dimension, err)
		}
	}
}

func testCredentialUses(t *testing.T, s manager.Store) {
	ctx := context.Background()
	equal(t, "unused", 0, len(got(s.CredentialUses(ctx, "acme"))(t)))
	use := func(partner, credential string, at time.Time) {
		commitSync(t, s, manager.SyncCommit{CredentialUses: map[string]map[string]time.Time{partner: {credential: at}}})
	}
	use("acme", "k1", clock(5))
	use("acme", "k1", clock(3)) // a batch that came late
	use("acme", "k2", clock(1))
	use("acme", "k2", clock(2))
	use("globex", "k1", clock(9))
	equal(t, "acme", map[string]time.Time{"k1": clock(5), "k2": clock(2)}, got(s.CredentialUses(ctx, "acme"))(t))

	uses, want := map[string]map[string]time.Time{}, map[string]time.Time{}
	for i, credential := range hostile {
		want[credential] = clock(i)
	}
	for _, partner := range hostile {
		uses[partner] = want
	}
	commitSync(t, s, manager.SyncCommit{CredentialUses: uses})
	for _, partner := range hostile {
		equal(t, partner, want, got(s.CredentialUses(ctx, partner))(t))
	}
	equal(t, "still acme", map[string]time.Time{"k1": clock(5), "k2": clock(2)}, got(s.CredentialUses(ctx, "acme"))(t))
}

func testDeleteUsage(t *testing.T, s manager.Store) {
	const n, batch = 5000, 500 // no commit so large that a busy machine takes longer for it than a call may take
	var usage []manager.UsageRow
	var requests []manager.RequestRecord
	for minute := range n {
		usage = append(usage, counted(minute, "acme", "admitted", 1))
		requests = append(requests, manager.RequestRecord{Time: noon.Add(time.Duration(minute) * time.Minute), Key: usage[minute].Key})
	}
	for from := 0; from < n; from += batch {
		commitSync(t, s, manager.SyncCommit{Usage: usage[from : from+batch], Requests: requests[from : from+batch]})
	}
	commitSync(t, s, manager.SyncCommit{CredentialUses: map[string]map[string]time.Time{"acme": {"k": noon}}})
	ctx := context.Background()
	must(t, s.DeleteUsageBefore(ctx, noon.Add(4500*time.Minute), noon.Add(4990*time.Minute)))
	for range 2 { // the second time nothing is older
		equal(t, "usage left", int64(n-4500), total(t, s, manager.UsageQuery{}))
		equal(t, "usage left of acme", int64(n-4500), total(t, s, manager.UsageQuery{Match: manager.UsageKey{Partner: "acme"}}))
		page := got(s.Requests(ctx, manager.RequestQuery{Limit: 100}))(t)
		if len(page.Items) != n-4990 || !page.Items[9].Time.Equal(noon.Add(4990*time.Minute)) {
			t.Fatalf("%d requests are left, want 10", len(page.Items))
		}
		must(t, s.DeleteUsageBefore(ctx, time.Time{}, time.Time{}))
	}
	equal(t, "uses left", 1, len(got(s.CredentialUses(ctx, "acme"))(t)))
	commitSync(t, s, manager.SyncCommit{Usage: usage[:1], Requests: requests[:1]}) // old keys can be counted again
	equal(t, "usage added", int64(n-4500+1), total(t, s, manager.UsageQuery{}))
}

func testDeleteWholeHours(t *testing.T, s manager.Store) {
	commitSync(t, s, manager.SyncCommit{Usage: []manager.UsageRow{counted(-1, "acme", "x", 1), counted(0, "acme", "x", 10), counted(59, "acme", "x", 100), counted(60, "acme", "x", 1000)}})
	for _, until := range []int{0, 1, 59} {
		must(t, s.DeleteUsageBefore(context.Background(), clock(until).In(zone), time.Time{}))
		for _, q := range []manager.UsageQuery{{}, {From: hour(0)}, {Match: manager.UsageKey{Partner: "acme"}}} {
			equal(t, fmt.Sprintf("usage left before minute %d, of %+v", until, q), int64(1110), total(t, s, q))
		}
	}
	must(t, s.DeleteUsageBefore(context.Background(), clock(60), time.Time{}))
	equal(t, "usage left", int64(1000), total(t, s, manager.UsageQuery{}))
}
