package manager_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

const goodPassword = "correct horse battery"

// throttled is a service with members dev@acme.test and ada@acme.test who have a password.
func throttled(t *testing.T, c *clock) *manager.Service {
	t.Helper()
	s := newService(t, c)
	apply(t, s, estate(t), manager.ApplyOptions{})
	for _, email := range []string{"dev@acme.test", "ada@acme.test"} {
		if err := s.SetPassword(context.Background(), admin, "acme", email, goodPassword); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func from(address string) context.Context {
	return manager.WithOrigin(context.Background(), manager.Origin{Address: address})
}

// try logs in and returns the code of the error, "" for a login.
func try(s *manager.Service, address, email, password string) manager.ErrorCode {
	_, err := s.Authenticate(from(address), email, password)
	return manager.CodeOf(err)
}

func fail(t *testing.T, s *manager.Service, times int, address, email string) {
	t.Helper()
	for i := range times {
		if got := try(s, address, email, "wrong"); got != manager.CodeUnauthorized {
			t.Fatalf("try %d of %s from %s: %q", i+1, email, address, got)
		}
	}
}

func TestEleventhLoginIsThrottled(t *testing.T) {
	for _, email := range []string{"dev@acme.test", "nobody@acme.test"} { // one cannot be told from the other
		c := newClock()
		s := throttled(t, c)
		fail(t, s, 5, "192.0.2.1", email)
		c.advance(10 * time.Minute)
		fail(t, s, 5, "192.0.2.1", email)
		_, err := s.Authenticate(from("192.0.2.1"), strings.ToUpper(email), goodPassword)
		var e *manager.Error
		if !errors.As(err, &e) || e.Code != manager.CodeTooMany || e.RetryAfter < 5*time.Minute || e.RetryAfter > 5*time.Minute+time.Second {
			t.Fatalf("%s: the 11th try: %+v", email, err)
		}
		c.advance(e.RetryAfter)
		fail(t, s, 5, "192.0.2.1", email) // the first five have ended
		if got := try(s, "192.0.2.1", email, "wrong"); got != manager.CodeTooMany {
			t.Errorf("%s: 11 tries in 15 minutes: %q", email, got)
		}
	}
}

// The innocent: the member elsewhere, and others behind the same address.
func TestThrottleSparesTheInnocent(t *testing.T) {
	s := throttled(t, newClock())
	fail(t, s, 10, "192.0.2.1", "dev@acme.test")
	for _, c := range []struct {
		address, email string
		want           manager.ErrorCode
	}{
		{"192.0.2.1", "dev@acme.test", manager.CodeTooMany},
		{"::ffff:192.0.2.1", "dev@acme.test", manager.CodeTooMany},
		{"192.0.2.2", "dev@acme.test", ""},
		{"192.0.2.1", "ada@acme.test", ""},
	} {
		if got := try(s, c.address, c.email, goodPassword); got != c.want {
			t.Errorf("%s from %s: %q, want %q", c.email, c.address, got, c.want)
		}
	}
}

// An address from which many members fail is refused, but not to those who are known there.
func TestSprayedAddress(t *testing.T) {
	c := newClock()
	s := throttled(t, c)
	if got := try(s, "2001:db8::1", "ada@acme.test", goodPassword); got != "" {
		t.Fatal(got)
	}
	for i := range 10 {
		fail(t, s, 1, fmt.Sprintf("2001:db8::%d", i+1), fmt.Sprintf("guess-%d@acme.test", i)) // one /64 is one address
	}
	if got := try(s, "2001:db8::77", "guess-10@acme.test", "wrong"); got != manager.CodeTooMany {
		t.Errorf("the 11th member from one address: %q", got)
	}
	if got := try(s, "2001:db8::77", "dev@acme.test", goodPassword); got != manager.CodeTooMany {
		t.Errorf("a member who was never there: %q", got)
	}
	if got := try(s, "2001:db8::5", "ada@acme.test", goodPassword); got != "" {
		t.Errorf("a member who is known there: %q", got)
	}
	if got := try(s, "2001:db8:0:1::1", "dev@acme.test", goodPassword); got != "" {
		t.Errorf("another network: %q", got)
	}
	c.advance(15 * time.Minute)
	if got := try(s, "2001:db8::77", "dev@acme.test", goodPassword); got != "" {
		t.Errorf("after 15 minutes: %q", got)
	}
}

// A member who is attacked from everywhere logs in from anywhere with the first right try.
func TestMemberUnderAttack(t *testing.T) {
	s := throttled(t, newClock())
	for i := range 10 {
		fail(t, s, 1, fmt.Sprintf("198.51.100.%d", i), "dev@acme.test")
	}
	if got := try(s, "203.0.113.1", "dev@acme.test", goodPassword); got != "" {
		t.Errorf("a right password from elsewhere: %q", got)
	}
	fail(t, s, 1, "203.0.113.2", "dev@acme.test")
	if got := try(s, "203.0.113.2", "dev@acme.test", "wrong again"); got != manager.CodeTooMany {
		t.Errorf("a second try from an unknown address: %q", got)
	}
	fail(t, s, 10, "203.0.113.1", "dev@acme.test") // known by now
	if got := try(s, "203.0.113.1", "dev@acme.test", "wrong"); got != manager.CodeTooMany {
		t.Errorf("the 11th from a known address: %q", got)
	}
}

// A login clears what the member's own mistakes counted for.
func TestSuccessClearsMistakes(t *testing.T) {
	s := throttled(t, newClock())
	for range 3 {
		fail(t, s, 9, "192.0.2.1", "dev@acme.test")
		if got := try(s, "192.0.2.1", "dev@acme.test", goodPassword); got != "" {
			t.Fatalf("the tenth, right: %q", got)
		}
	}
}

// What fails at the portal and at the console does not shut the other, and a right token opens in any case.
func TestConsoleIsThrottledApart(t *testing.T) {
	s := throttled(t, newClock())
	a := s.Admission("the token of this test")
	wrong := func() manager.ErrorCode {
		_, err := a.LogIn(from("192.0.2.1"), "wrong")
		return manager.CodeOf(err)
	}
	for i := range 10 {
		fail(t, s, 1, "192.0.2.1", fmt.Sprintf("guess-%d@acme.test", i))
	}
	for i := range 10 {
		if got := wrong(); got != manager.CodeUnauthorized {
			t.Fatalf("wrong token %d after ten members failed: %q", i+1, got)
		}
	}
	if got := wrong(); got != manager.CodeTooMany {
		t.Errorf("the 11th wrong token: %q", got)
	}
	if p, err := a.LogIn(from("192.0.2.1"), " the token of this test\n"); err != nil || p.Name != manager.BootstrapToken {
		t.Errorf("the right token: %+v, %v", p, err)
	}
	if n, err := s.UnlockAddress(t.Context(), admin, "192.0.2.1"); err != nil || n != 20 {
		t.Errorf("%d failures from the address, %v; want 20", n, err)
	}
	for range 10 {
		if got := wrong(); got != manager.CodeUnauthorized {
			t.Fatalf("a wrong token after the address was unlocked: %q", got)
		}
	}
	if got := try(s, "192.0.2.1", "dev@acme.test", goodPassword); got != "" {
		t.Errorf("a member after ten wrong tokens: %q", got)
	}
}

// Tries at once, on two managers of one store, are counted together.
func TestThrottleCountsTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.db")
	c := newClock()
	services := []*manager.Service{
		startService(t, c, openStore(t, path), slog.DiscardHandler),
		startService(t, c, openStore(t, path), slog.DiscardHandler),
	}
	var refused, wrong atomic.Int32
	var work sync.WaitGroup
	for i := range 24 {
		work.Go(func() {
			switch try(services[i%2], "192.0.2.1", "dev@acme.test", "wrong") {
			case manager.CodeTooMany:
				refused.Add(1)
			case manager.CodeUnauthorized:
				wrong.Add(1)
			}
		})
	}
	work.Wait()
	if wrong.Load() != 10 || refused.Load() != 14 {
		t.Errorf("%d were decided on and %d refused, want 10 and 14", wrong.Load(), refused.Load())
	}
}

// Unknown member, member without password, wrong and oversized password do the same work.
func TestSamePasswordWork(t *testing.T) {
	s := throttled(t, newClock())
	work := func(email, password string) int64 {
		before := s.PasswordWork()
		if got := try(s, "192.0.2.1", email, password); got != manager.CodeUnauthorized {
			t.Fatalf("%s: %q", email, got)
		}
		return s.PasswordWork() - before
	}
	for name, did := range map[string]int64{
		"unknown":          work("nobody@acme.test", goodPassword),
		"without password": work("eve@acme.test", goodPassword),
		"wrong":            work("dev@acme.test", "wrong"),
		"oversized":        work("dev@acme.test", strings.Repeat("x", 1<<20)),
	} {
		if did != 1 {
			t.Errorf("%s: %d passwords were hashed, want 1", name, did)
		}
	}
	fail(t, s, 7, "192.0.2.1", "dev@acme.test")
	before := s.PasswordWork()
	_ = try(s, "192.0.2.1", "dev@acme.test", "wrong")
	if got := try(s, "192.0.2.1", "dev@acme.test", "wrong"); got != manager.CodeTooMany || s.PasswordWork()-before > 1 {
		t.Errorf("a throttled login: %q after hashing %d", got, s.PasswordWork()-before)
	}
}

// What an operator forgets is what counts against one, and nobody else's.
func TestUnlock(t *testing.T) {
	ctx := context.Background()
	s := throttled(t, newClock())
	fail(t, s, 10, "192.0.2.1", "dev@acme.test")
	fail(t, s, 3, "192.0.2.2", "dev@acme.test")
	fail(t, s, 10, "192.0.2.1", "ada@acme.test")
	if n, err := s.UnlockMember(ctx, admin, " Dev@acme.test"); err != nil || n != 13 {
		t.Errorf("%d failures of dev, %v", n, err)
	}
	for email, want := range map[string]manager.ErrorCode{"dev@acme.test": "", "ada@acme.test": manager.CodeTooMany} {
		if got := try(s, "192.0.2.1", email, goodPassword); got != want {
			t.Errorf("%s after dev was unlocked: %q", email, got)
		}
	}
	if n, err := s.UnlockMember(ctx, admin, "nobody@acme.test"); err != nil || n != 0 {
		t.Errorf("%d failures of nobody, %v", n, err)
	}
	for i := range 9 { // with ada's, ten members from one address
		fail(t, s, 1, "192.0.2.1", fmt.Sprintf("guess%d@acme.test", i))
	}
	if got := try(s, "192.0.2.1", "new@acme.test", "wrong"); got != manager.CodeTooMany {
		t.Fatalf("an eleventh member from one address: %q", got)
	}
	if n, err := s.UnlockAddress(ctx, admin, "::ffff:192.0.2.1"); err != nil || n != 19 {
		t.Errorf("%d failures from the address, %v", n, err)
	}
	fail(t, s, 1, "192.0.2.1", "new@acme.test")
	if got := try(s, "192.0.2.1", "ada@acme.test", goodPassword); got != "" {
		t.Errorf("ada after the address was unlocked: %q", got)
	}
	var have []string
	for _, e := range auditOf(t, s, manager.AuditQuery{Kind: manager.KindLogin}) {
		have = append(have, e.Action+" "+e.Name+" "+string(e.Before))
	}
	want := []string{`unlocked 192.0.2.1 {"failures":19}`, `unlocked nobody@acme.test {"failures":0}`, `unlocked dev@acme.test {"failures":13}`}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("the audit log has %q", have)
	}
}

// boundedStore refuses to be asked for more marks at once than a store does in good time.
type boundedStore struct{ manager.Store }

const mostMarks = 1000

func (s boundedStore) Marks(ctx context.Context, now time.Time, keys ...string) ([]int, error) {
	if len(keys) > mostMarks {
		return nil, fmt.Errorf("%d keys at once", len(keys))
	}
	return s.Store.Marks(ctx, now, keys...)
}

func (s boundedStore) DeleteMarks(ctx context.Context, marks []manager.Mark, audit ...manager.AuditEntry) error {
	if len(marks) > mostMarks {
		return fmt.Errorf("%d marks at once", len(marks))
	}
	return s.Store.DeleteMarks(ctx, marks, audit...)
}

// TestUnlockAfterAnAttack has a member fail from more addresses than a store forgets at once.
func TestUnlockAfterAnAttack(t *testing.T) {
	const addresses = 2500
	c := newClock()
	store := boundedStore{openStore(t, filepath.Join(t.TempDir(), "policy.db"))}
	s := startService(t, c, store, slog.DiscardHandler)
	digest := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:16])
	}
	member, until := digest("dev@acme.test"), c.Now().Add(15*time.Minute)
	var marks []manager.Mark
	for i := range addresses {
		address := digest(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
		marks = append(marks, manager.Mark{Key: "login/pair/" + member + "/" + address, ID: "try", Until: until},
			manager.Mark{Key: "login/address/" + address, ID: member, Until: until}, manager.Mark{Key: "login/member/" + member, ID: address, Until: until})
	}
	if _, err := store.TakeMarks(t.Context(), c.Now(), marks); err != nil {
		t.Fatal(err)
	}
	if n, err := s.UnlockMember(t.Context(), admin, "dev@acme.test"); err != nil || n != addresses {
		t.Errorf("%d failures are forgotten, %v; want %d", n, err, addresses)
	}
	keys := []string{marks[0].Key, marks[1].Key, marks[2].Key, marks[len(marks)-3].Key, marks[len(marks)-2].Key}
	if left, err := store.Marks(t.Context(), c.Now(), keys...); err != nil || slices.Max(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if told := auditOf(t, s, manager.AuditQuery{Kind: manager.KindLogin}); len(told) != 1 || string(told[0].Before) != `{"failures":2500}` {
		t.Errorf("the audit log has %+v", told)
	}
}

func TestUnlockRefuses(t *testing.T) {
	s := throttled(t, newClock())
	confined := manager.Actor{Name: "team", Owner: manager.OwnerAPI, Grant: &manager.Grant{Role: manager.TokenOperator, Teams: []string{"core"}}}
	for name, c := range map[string]struct {
		actor manager.Actor
		email string
		want  manager.ErrorCode
	}{
		"no address":   {admin, "dev", manager.CodeInvalid},
		"long":         {admin, strings.Repeat("a", 300) + "@acme.test", manager.CodeInvalid},
		"a team token": {confined, "dev@acme.test", manager.CodeForbidden},
	} {
		if _, err := s.UnlockMember(context.Background(), c.actor, c.email); manager.CodeOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, address := range []string{"", "localhost", "192.0.2.1/24", "192.0.2.1:80"} {
		if _, err := s.UnlockAddress(context.Background(), admin, address); manager.CodeOf(err) != manager.CodeInvalid {
			t.Errorf("%q: %v", address, err)
		}
	}
}
