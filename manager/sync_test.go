package manager_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/lease"
)

func TestOneProxyGetsTheWholeContract(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	p := newProcess(t, s, c, "one")
	for _, id := range []string{throughput, daily, few, inFlight} {
		if code := p.take(id); code != policy.Undecided {
			t.Fatalf("%s without a lease: %v", id, code)
		}
	}
	p.settle()
	for id, want := range map[string]int{throughput: 10, inFlight: 4} {
		if n, last := p.takeAll(id); n != want || last != policy.LimitExceeded {
			t.Errorf("%s admits %d, then %v; want %d", id, n, last, want)
		}
	}
	for id, want := range map[string]int{daily: 100, few: 3} {
		n := 0
		for last := policy.Undecided; last == policy.Undecided; p.settle() {
			var more int
			more, last = p.takeAll(id)
			n += more
		}
		if n != want {
			t.Errorf("%s admits %d, want %d", id, n, want)
		}
	}
	c.advance(time.Second)
	if n, _ := p.takeAll(throughput); n != 5 {
		t.Errorf("a second later %d are admitted, want 5", n)
	}
}

func TestTwoProxiesShareAtOnce(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	for _, id := range []string{throughput, inFlight} {
		a.take(id)
		b.take(id)
	}
	a.settle()
	stop := a.attend()
	b.settle()
	for _, id := range []string{throughput, inFlight} { // one of each
		for b.take(id) == policy.Undecided { // where the machine is slow, a has not given back in time for the first batch
			b.settle()
		}
	}
	stop()
	a.settle()
	b.release(inFlight)
	for id, want := range map[string]int{throughput: 10, inFlight: 4} {
		na, _ := a.takeAll(id)
		nb, _ := b.takeAll(id)
		if id == throughput {
			nb++ // taken above
		}
		if na != want/2 || nb != want/2 {
			t.Errorf("%s: %d and %d, want %d each", id, na, nb, want/2)
		}
	}
}

func TestSilentProxyIsGivenUp(t *testing.T) {
	c := newClock()
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	s := startService(t, c, store, slog.DiscardHandler)
	leased(t, s)
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	a.take(throughput)
	a.settle()
	c.advance(14 * time.Second)
	b.take(throughput)
	b.settle()
	if n, last := b.takeAll(throughput); n != 0 || last != policy.Undecided {
		t.Fatalf("while the other is there: %d, then %v", n, last)
	}
	// Another manager has heard of nobody yet: it waits as long again.
	s.Close()
	s = startService(t, c, store, slog.DiscardHandler)
	b.s = s
	c.advance(14 * time.Second)
	b.settle()
	if n, _ := b.takeAll(throughput); n != 0 {
		t.Fatalf("a manager that just started gives on %d", n)
	}
	c.advance(time.Second)
	b.settle()
	if n, _ := b.takeAll(throughput); n != 0 {
		t.Fatalf("what the silent one held is given on at once: %d", n)
	}
	c.advance(2 * time.Second)
	if n, _ := b.takeAll(throughput); n != 10 {
		t.Fatalf("after two seconds with the whole rate %d are admitted, want 10", n)
	}
	// The silent one is heard from again: it has nothing before the other has shrunk.
	a.s = s
	a.touched[policy.LedgerID(throughput)] = true
	a.settle()
	if n, last := a.takeAll(throughput); n != 0 || last != policy.Undecided {
		t.Fatalf("it comes back and takes %d, then %v", n, last)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a proxy falls silent with a share of a rate",
		Done:     "silent for 15 s; the manager is restarted meanwhile; it comes back later",
		Promised: "its share goes to the other after 15 s, 15 s after the start of a manager that was restarted, and not all at once; when it returns it has nothing before the other has shrunk",
		Seen:     "as promised",
	})
}

func TestProxiesThatAreGivenUpHoldNothing(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	a.take(inFlight)
	a.settle()
	c.advance(time.Second)
	s.GiveUpProxies()
	c.advance(time.Millisecond)
	b.take(inFlight)
	b.settle()
	if n, _ := b.takeAll(inFlight); n != 4 {
		t.Errorf("%d in flight, want 4", n)
	}
	if views, err := s.Proxies(context.Background()); err != nil || len(views) != 2 || views[0].Live || !views[1].Live {
		t.Errorf("proxies %+v, %v", views, err)
	}
}

func TestRetryCountsOnceAndGetsTheSameAnswer(t *testing.T) {
	c := newClock()
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	s := startService(t, c, store, slog.DiscardHandler)
	leased(t, s)
	p := newProcess(t, s, c, "one")
	p.take(daily)
	p.usage = []wire.Usage{{Minute: minutes(c), Partner: "globex", Product: "pay", Environment: "sandbox", Outcome: "admitted", Count: 3}}
	p.requests = []wire.Request{{Time: c.Now().UnixMilli(), RequestID: "r1", Partner: "globex", Credential: "key1", Outcome: "admitted", Method: "GET", Path: "/pay"}}
	body := p.compose()
	first := p.send(body)
	for range 3 {
		if again := p.send(body); !bytes.Equal(again, first) {
			t.Fatalf("the retry is answered %x, first %x", again, first)
		}
	}
	p.apply(first)
	usage, err := s.Usage(context.Background(), manager.UsageQuery{GroupBy: []manager.UsageDimension{manager.ByPartner}})
	if err != nil || len(usage.Sums) != 1 || usage.Sums[0].Requests != 3 {
		t.Fatalf("usage %v, %v", usage, err)
	}
	page, err := s.Requests(context.Background(), manager.RequestQuery{})
	if err != nil || len(page.Items) != 1 || page.Items[0].Proxy != p.name() {
		t.Fatalf("requests %v, %v", page, err)
	}
	if n := granted(t, store, daily, c.Now()); n != 2 { // twice what was asked for
		t.Fatalf("%d are granted", n)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a batch comes several times",
		Done:     "the same bytes four times, with usage, a logged request and a lease",
		Promised: "the same answer; counted, logged and leased once",
		Seen:     "as promised",
	})
}

// The answer was lost, and its proxy was silent until others got what it was
// granted: the retry must not bring that back.
func TestLateRetryGetsNoGrants(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	a.take(inFlight)
	body := a.compose()
	a.send(body)
	c.advance(14 * time.Second)
	if !a.apply(a.send(body)) {
		t.Fatal("a retry in time has no grants")
	}
	a.ledgers = map[string]policy.Ledger{}
	c.advance(15 * time.Second)
	b.take(inFlight)
	b.settle()
	if n, _ := b.takeAll(inFlight); n != 4 {
		t.Fatalf("%d in flight at the other, want 4", n)
	}
	for range 2 {
		if a.apply(a.send(body)) {
			t.Fatal("the late retry has grants")
		}
	}
	a.take(inFlight)
	a.sync()
	if n, _ := a.takeAll(inFlight); n != 0 {
		t.Fatalf("%d more in flight", n)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "the answer to a batch is lost for long",
		Done:     "sent again after 14 s, and after the proxy was given up and others have its slots",
		Promised: "granted in time; granted nothing afterwards",
		Seen:     "never more than the 4 slots of the contract",
	})
}

// granted is how many tokens of a quota a day proxies have got.
func granted(t *testing.T, store manager.Store, id string, now time.Time) int64 {
	t.Helper()
	buckets, err := store.Buckets(t.Context(), []string{id})
	if err != nil || len(buckets) != 1 {
		t.Fatalf("%d buckets, %v", len(buckets), err)
	}
	bucket, err := lease.Decode(policy.QuotaPerDay, buckets[0].State)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := bucket.Granted(now.UnixMilli())
	return n
}

// What a proxy holds of a quota and has not spent is left, until it is gone.
func TestQuotaUseIsWhatIsSpent(t *testing.T) {
	c := newClock()
	store := openStore(t, filepath.Join(t.TempDir(), "policy.db"))
	s := startService(t, c, store, slog.DiscardHandler)
	leased(t, s)
	expect := func(when string, want int64) {
		t.Helper()
		uses, err := s.LimitUse(t.Context(), "globex", "sandbox")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range uses {
			if u.Limit.Name == "daily" && (u.Used != want || u.Remaining != 100-want) {
				t.Errorf("%s: %d used and %d left, want %d used of 100", when, u.Used, u.Remaining, want)
			}
		}
	}
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	expect("before the first", 0)
	for range 5 {
		a.take(daily)
	}
	a.settle()
	expect("granted", 0)
	for range 3 {
		a.take(daily)
	}
	expect("not told yet", 0)
	a.settle()
	expect("told", 3)
	got := granted(t, store, daily, c.Now())
	b.take(daily)
	b.settle()
	b.take(daily)
	b.settle()
	expect("told by two", 4)
	c.advance(14 * time.Second)
	b.sync()
	expect("while it may be there", 4)
	c.advance(2 * time.Second)
	if got <= 3 {
		t.Fatalf("a got %d: it has spent all", got)
	}
	expect("what a held is lost with it", got+1)
	a.touched["globex/all"] = true
	a.settle()
	expect("it was there", 4)
}

func TestSequences(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	p := newProcess(t, s, c, "one")
	old := p.compose()
	p.send(old)
	p.sync()
	_, err := s.Sync(context.Background(), old)
	wantCode(t, err, manager.CodeConflict, "sequence_stale")
	p.sequence-- // as a clone of it would, which knows nothing of the last
	p.usage = []wire.Usage{{Minute: minutes(c), Partner: "globex", Outcome: "admitted", Count: 1}}
	_, err = s.Sync(context.Background(), p.compose())
	wantCode(t, err, manager.CodeConflict, "sequence_stale")
	p.sequence += 10 // the store was restored from a backup
	p.sync()
}

func TestUnreadableMessages(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	calls := map[string]func(context.Context, []byte) ([]byte, error){"sync": s.Sync, "watch": s.Watch, "parts": s.Parts}
	for name, call := range calls {
		for _, body := range []string{"", "{}", "<html>", "\x01", "\x02\x09", strings.Repeat("\xff", 99)} {
			_, err := call(context.Background(), []byte(body))
			if wantCode(t, err, manager.CodeInvalid, "malformed"); !strings.Contains(err.Error(), name) {
				t.Errorf("%q does not name %s", err, name)
			}
		}
	}
	for _, id := range []wire.ProxyID{{}, {Node: "no nonce"}, {Node: "bad\xff", Nonce: [16]byte{1}}, {Node: strings.Repeat("n", 300), Nonce: [16]byte{1}}} {
		m := wire.Sync{Proxy: id, Sequence: 1}
		_, err := s.Sync(context.Background(), m.Append(nil))
		wantCode(t, err, manager.CodeInvalid, "proxy_unknown")
	}
}

func TestUnbelievableUsage(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	p := newProcess(t, s, c, "one")
	for _, minute := range []int64{-1 << 63, 0, minutes(c) - 32*24*60, minutes(c) + 11, 1<<63 - 1} {
		p.usage = append(p.usage, wire.Usage{Minute: minute, Partner: "acme", Outcome: "admitted", Count: 1})
	}
	p.usage = append(p.usage, wire.Usage{Minute: minutes(c) - 60, Partner: strings.Repeat("é", 500) + "\xff\x00", Outcome: "admitted", Count: 1})
	p.requests = []wire.Request{{Time: -1 << 63, RequestID: "\xff\n", Path: strings.Repeat("/\xc3", 9000), Status: 65535, PolicyVersion: 1<<64 - 1, Outcome: "path_not_canonical"}}
	p.sync()
	from := c.Now().Truncate(time.Minute)
	usage, err := s.Usage(context.Background(), manager.UsageQuery{From: from, To: from.Add(time.Minute), GroupBy: []manager.UsageDimension{manager.ByPartner}})
	if err != nil || len(usage.Sums) != 1 || usage.Sums[0].Requests != 5 {
		t.Fatalf("usage of now: %v, %v", usage, err)
	}
	page, err := s.Requests(context.Background(), manager.RequestQuery{})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("requests %v, %v", page, err)
	}
	if r := page.Items[0]; !r.Time.Equal(c.Now()) || r.RequestID != "��" || len(r.Path) > 4096 || r.Status != 999 || r.PolicyVersion != 1<<63-1 {
		t.Errorf("logged %+v", r)
	}
}

func TestForgetWhatIsNoContract(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	p := newProcess(t, s, c, "one")
	unknown := []string{"no id", "globex/all/none/quota-day", "globex/all/daily/quota-month", "nobody/all/daily/quota-day",
		"globex/all@none/each/quota-day", "globex/all@screening/daily/quota-day", "globex/*production/whole/quota-day"}
	for _, id := range unknown {
		p.wants[id] = 1
	}
	body := p.compose()
	r, err := wire.ParseSyncReply(string(p.send(body)))
	if err != nil || len(r.Forget) != len(unknown) || len(r.Grants) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	// A contract that ends gives back what is held, then is forgotten.
	p.take(daily)
	p.take(throughput)
	p.settle()
	if n, _ := p.takeAll(daily); n == 0 {
		t.Fatal("nothing is granted")
	}
	if _, err := s.Delete(context.Background(), files, ref(manager.KindSubscription, "globex", "all"), manager.AnyRevision); err != nil {
		t.Fatal(err)
	}
	p.touched["globex/all"] = true
	p.settle()
	if rest, _ := p.ledgers["globex/all"].Report(nil, c.Now().UnixMilli()); len(rest) != 0 {
		t.Errorf("still held: %+v", rest)
	}
}

func TestScopes(t *testing.T) {
	c := newClock()
	s := newService(t, c)
	leased(t, s)
	p := newProcess(t, s, c, "one")
	const each, whole = "globex/all@screening/each/quota-day", "globex/*sandbox/whole/quota-day"
	for _, id := range []string{each, whole} {
		p.take(id)
	}
	p.settle()
	for _, id := range []string{each, whole} {
		p.take(id)
	}
	p.settle()
	uses, err := s.LimitUse(context.Background(), "globex", "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range uses {
		got = append(got, fmt.Sprintf("%s %s/%s %d of %d until %s", u.Limit.Name, u.Subscription, u.Application, u.Used, u.Used+u.Remaining, u.ResetsAt.Format(time.DateOnly)))
	}
	want := []string{
		"daily all/ 0 of 100 until 2026-03-02", "few all/ 0 of 3 until 2026-04-01",
		"each all/screening 1 of 50 until 2026-03-02", "whole / 1 of 70 until 2026-03-02",
		"monthly risk-sandbox/ 0 of 10000 until 2026-04-01",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
