package manager_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

func usageTotal(t *testing.T, s *manager.Service, q manager.UsageQuery) (n int64) {
	t.Helper()
	usage, err := s.Usage(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, sum := range usage.Sums {
		n += sum.Requests
	}
	return n
}

func TestUsageSpans(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	p := newProcess(t, s, c, "one")
	for i, hours := range []int64{0, 1, 23, 25, 47} {
		p.usage = append(p.usage, wire.Usage{Minute: minutes(c) - 60*hours, Partner: "acme", Outcome: "admitted", Count: 1 << i})
		p.requests = append(p.requests, wire.Request{Time: c.Now().Add(time.Duration(-hours) * time.Hour).UnixMilli(), RequestID: fmt.Sprint(hours), Outcome: "admitted"})
	}
	p.sync()
	now := c.Now()
	for name, test := range map[string]struct {
		from, to time.Time
		want     int64
		requests int
	}{
		"the last 24 hours": {want: 1 + 2 + 4, requests: 3},
		"from":              {from: now.Add(-48 * time.Hour), want: 16 + 8, requests: 2},
		"to":                {to: now.Add(-30 * time.Minute), want: 2 + 4, requests: 2},
		"both":              {from: now.Add(-26 * time.Hour), to: now.Add(-22 * time.Hour), want: 4 + 8, requests: 2},
	} {
		if got := usageTotal(t, s, manager.UsageQuery{From: test.from, To: test.to}); got != test.want {
			t.Errorf("%s: %d requests, want %d", name, got, test.want)
		}
		page, err := s.Requests(context.Background(), manager.RequestQuery{From: test.from, To: test.to})
		if err != nil || len(page.Items) != test.requests {
			t.Errorf("%s: %d logged, %v; want %d", name, len(page.Items), err, test.requests)
		}
	}
	_, err := s.Usage(context.Background(), manager.UsageQuery{From: now, To: now})
	wantCode(t, err, manager.CodeInvalid, "")
	page, err := s.Requests(context.Background(), manager.RequestQuery{RequestID: "47"})
	if err != nil || len(page.Items) != 1 {
		t.Errorf("an old request is found by its id: %v, %v", page, err)
	}
}

// Usage is kept by minutes: a window that begins or ends within one has all of it.
func TestUsageIsOfWholeMinutes(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	p := newProcess(t, s, c, "one")
	minute := c.Now().Truncate(time.Hour).Add(-time.Hour)
	for i := range int64(4) {
		p.usage = append(p.usage, wire.Usage{Minute: minute.Unix()/60 + i - 1, Partner: "acme", Product: "pay", Outcome: "admitted", Count: 1 << i})
	}
	p.sync()
	for name, test := range map[string]struct {
		from, to, first, end time.Duration // after the minute, which is a whole hour
		want                 int64
	}{
		"whole minutes":              {0, time.Minute, 0, time.Minute, 2},
		"begins within one":          {20 * time.Second, time.Minute, 0, time.Minute, 2},
		"ends within one":            {0, time.Nanosecond, 0, time.Minute, 2},
		"within one":                 {20 * time.Second, 50 * time.Second, 0, time.Minute, 2},
		"within two":                 {59 * time.Second, 61 * time.Second, 0, 2 * time.Minute, 2 + 4},
		"ends with the second":       {59 * time.Second, 2 * time.Minute, 0, 2 * time.Minute, 2 + 4},
		"an hour":                    {0, time.Hour, 0, time.Hour, 2 + 4 + 8},
		"an hour and a bit before":   {-time.Second, time.Hour, -time.Minute, time.Hour, 1 + 2 + 4 + 8},
		"rounded to an hour's begin": {10 * time.Second, time.Hour, 0, time.Hour, 2 + 4 + 8},
		"rounded to an hour's end":   {0, time.Hour - time.Second, 0, time.Hour, 2 + 4 + 8},
	} {
		for _, by := range [][]manager.UsageDimension{{manager.ByProduct}, {manager.ByPartner, manager.ByOperation}} { // sums of hours, and minutes
			usage, err := s.Usage(t.Context(), manager.UsageQuery{From: minute.Add(test.from), To: minute.Add(test.to), GroupBy: by})
			if err != nil || len(usage.Sums) != 1 || usage.Sums[0].Requests != test.want {
				t.Errorf("%s by %v: %+v, %v; want %d", name, by, usage, err, test.want)
				continue
			}
			if !usage.From.Equal(minute.Add(test.first)) || !usage.To.Equal(minute.Add(test.end)) {
				t.Errorf("%s: from %v to %v", name, usage.From, usage.To)
			}
		}
	}
	end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	usage, err := s.Usage(t.Context(), manager.UsageQuery{From: minute, To: end})
	if err != nil || !usage.To.Equal(end) {
		t.Errorf("until the end of time: %+v, %v", usage, err)
	}
}

func TestRequestPages(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	p := newProcess(t, s, c, "one")
	for i := range 2500 {
		p.requests = append(p.requests, wire.Request{Time: c.Now().UnixMilli() - int64(i), RequestID: fmt.Sprint(i), Outcome: "admitted"})
	}
	p.sync()
	for asked, want := range map[int]int{0: 100, -1: 100, 7: 7, 5000: 1000} {
		page, err := s.Requests(context.Background(), manager.RequestQuery{Limit: asked})
		if err != nil || len(page.Items) != want || page.Items[0].RequestID != "0" || page.Next == "" {
			t.Errorf("limit %d: %d items, %v", asked, len(page.Items), err)
		}
	}
}

func TestCredentialsAreSeenInUse(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	key, err := s.CreateCredential(context.Background(), admin, "globex", "screening", "sandbox", 0)
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, s, c, "one")
	for _, ago := range []time.Duration{time.Minute, time.Second, time.Hour} {
		p.requests = append(p.requests, wire.Request{Time: c.Now().Add(-ago).UnixMilli(), Partner: "globex", Credential: key.ID, Outcome: "admitted"})
	}
	p.sync()
	views, err := s.Credentials(context.Background(), "globex", "screening")
	if err != nil || len(views) != 1 || views[0].LastUsedAt == nil || !views[0].LastUsedAt.Equal(c.Now().Add(-time.Second)) {
		t.Fatalf("%+v, %v", views, err)
	}
}

// What is too old is dropped within an hour, the rest is kept. The bubble's
// clock makes the hour pass.
func TestRetention(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		s, err := manager.NewService(t.Context(), manager.Config{Store: store, Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		p := newProcess(t, s, c, "one")
		began := c.Now()
		note := func() {
			p.usage = []wire.Usage{{Minute: minutes(c), Partner: "acme", Outcome: "admitted", Count: 1}}
			p.requests = []wire.Request{{Time: c.Now().UnixMilli(), Outcome: "admitted"}}
			p.sync()
		}
		expect := func(when string, usage int64, requests int) {
			t.Helper()
			time.Sleep(time.Hour + time.Second) // in the bubble's time: retention runs every hour
			span := manager.UsageQuery{From: began, To: c.Now().Add(time.Hour)}
			page, err := s.Requests(context.Background(), manager.RequestQuery{From: span.From, To: span.To})
			if n := usageTotal(t, s, span); err != nil || n != usage || len(page.Items) != requests {
				t.Errorf("%s: %d counted, %d logged, %v; want %d and %d", when, n, len(page.Items), err, usage, requests)
			}
		}
		note()
		expect("at once", 1, 1)
		c.advance(29 * 24 * time.Hour)
		note()
		expect("after 29 days", 2, 2)
		c.advance(2 * 24 * time.Hour)
		expect("after 31 days", 2, 1)
		c.advance(370 * 24 * time.Hour)
		expect("after 401 days", 1, 0)
	})
}

// Entries of the audit log go when they are as old as the operator says, or never.
func TestAuditRetention(t *testing.T) {
	for name, c := range map[string]struct {
		kept time.Duration
		want int // of the two that were made 50 days apart
	}{
		"400 days": {400 * 24 * time.Hour, 1},
		"for ever": {0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
			synctest.Test(t, func(t *testing.T) {
				now := newClock()
				s, err := manager.NewService(t.Context(), manager.Config{Store: store, Now: now.Now, AuditKept: c.kept})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				for _, name := range []string{"old", "new"} {
					r := &manager.Environment{Metadata: manager.Metadata{Name: name}, Spec: manager.EnvironmentSpec{Title: name}}
					if _, _, err := s.Put(t.Context(), admin, r, manager.MustNotExist); err != nil {
						t.Fatal(err)
					}
					now.advance(50 * 24 * time.Hour)
				}
				now.advance(310 * 24 * time.Hour)   // 410 days after the first, 360 after the second
				time.Sleep(time.Hour + time.Second) // in the bubble's time: retention runs every hour
				synctest.Wait()
				page, err := s.Audit(t.Context(), manager.AuditQuery{Actor: admin.Name})
				if err != nil || len(page.Items) != c.want || page.Items[0].Name != "new" {
					t.Errorf("%+v, %v", page, err)
				}
			})
		})
	}
}
