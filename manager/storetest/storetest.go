// Package storetest is the contract of manager.Store as a test. Every store
// runs it: what holds for one holds for all, so that an operator may choose
// either and the rest of Partnergate need not know which.
//
// Beyond the doc comments of manager.Store it fixes:
//   - Times come back in UTC and exact to the microsecond; a zero time comes back zero.
//   - Strings and bytes come back as they were, whatever they hold. In the
//     method, path and id of a logged request they need not even be UTF-8.
//   - LoadPolicy orders by kind as in manager.Kinds, credentials last, then by partner and name.
//   - No two credentials have the same digest, nor the same id, whoever's they are.
//   - One commit may delete a credential and store another with its digest.
//   - UsageSums without GroupBy is one sum, or none where nothing matches.
//   - An unknown dimension, and a cursor that the store did not give out, are a
//     *manager.Error of CodeInvalid.
//   - In queries a zero From or To is no bound, and a minute belongs to the
//     range in which it begins.
//   - A page of requests without a limit has at most 100 items.
//   - A page of the audit log without a limit has at most 100 items.
//   - Two tokens never have the same digest.
//   - CommitSync takes a nil Proxy where only buckets change.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/partnergate/partnergate/manager"
)

// Open opens the store that holds the data of one place: the first call finds
// it empty, later ones find what was stored, also while earlier ones are open.
// It ends the test where it fails. The contract closes what it opens.
type Open func(t *testing.T) manager.Store

// Run runs the contract. place makes a new, empty place for data, such as a
// path in t.TempDir or a database's name, and what it made ends with t.
func Run(t *testing.T, place func(t *testing.T) Open) {
	for _, part := range []struct {
		name  string
		tests []contractTest
	}{
		{"policy", policyTests},
		{"policy together", policyTogetherTests},
		{"large policy", largePolicyTests},
		{"people", peopleTests},
		{"invitations", invitationTests},
		{"tokens", tokenTests},
		{"audit", auditTests},
		{"marks", markTests},
		{"usage", usageTests},
		{"requests", requestTests},
		{"leases", leaseTests},
		{"durability", durabilityTests},
	} {
		t.Run(part.name, func(t *testing.T) {
			for _, test := range part.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, place(t)) })
			}
		})
	}
}

type contractTest struct {
	name string
	run  func(t *testing.T, open Open)
}

// on is a test that needs the store opened once only.
func on(name string, run func(t *testing.T, s manager.Store)) contractTest {
	return contractTest{name, func(t *testing.T, open Open) { run(t, opened(t, open)) }}
}

// opened closes the store with the test.
func opened(t *testing.T, open Open) manager.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// noon is an ordinary moment; clock is noon in another zone, for what goes in.
var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	zone = time.FixedZone("ahead", 5*3600+1800)
)

// clock is minutes after noon, plus a few microseconds, in a zone that is not UTC.
func clock(minutes int) time.Time {
	return noon.Add(time.Duration(minutes)*time.Minute + 123456*time.Microsecond).In(zone)
}

func pointer[T any](v T) *T { return &v }

// hostile are strings that a careless store stumbles over. All are different,
// and sorted by their bytes.
var hostile = []string{
	"\x00", "\x00a", " ", "\"", "$ne", "$set", "%", "' OR 1=1 --", "../../etc/passwd", ":name", "=cmd()", "?", "A",
	"\\", "_", "a", "a\x00", "a\x00b", "a.b", "a.b.c", "e\u0301", "null", `{"$gt":""}`, `{"$ne":null}`, "é", "ÿ", "ˮ", "世界", "🚪",
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func got[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// wantError ends the test where err is not target.
func wantError(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
}

// sameBytes treats nil and empty bytes as equal: a store need not tell them apart.
var sameBytes = cmp.FilterValues(func(a, b []byte) bool { return len(a) == 0 && len(b) == 0 },
	cmp.Comparer(func(_, _ []byte) bool { return true }))

// equal reports a difference between what was stored and what was read, and times that are not UTC.
func equal(t *testing.T, what string, want, have any) {
	t.Helper()
	if diff := cmp.Diff(want, have, sameBytes, cmpopts.IgnoreFields(manager.ProductSpec{}, "Operations")); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
	if place := notUTC(reflect.ValueOf(have)); place != "" {
		t.Fatalf("%s: the time at %s is not in UTC", what, place)
	}
}

// notUTC finds a time in another zone and says where it is.
func notUTC(v reflect.Value) string {
	if v.IsValid() && v.CanInterface() {
		if at, ok := v.Interface().(time.Time); ok {
			if at.Location() != time.UTC {
				return " "
			}
			return ""
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return notUTC(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if place := notUTC(v.Field(i)); place != "" {
				return "." + v.Type().Field(i).Name + place
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if place := notUTC(v.Index(i)); place != "" {
				return fmt.Sprintf("[%d]%s", i, place)
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if place := notUTC(v.MapIndex(key)); place != "" {
				return fmt.Sprintf("[%v]%s", key, place)
			}
		}
	}
	return ""
}

// filled makes sure that a sample has a value in every field, so that a field
// that is new in the domain cannot be forgotten by a store.
func filled(t *testing.T, sample any, except ...string) {
	t.Helper()
	v := reflect.ValueOf(sample)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && !slices.Contains(except, name) {
			t.Fatalf("the sample %T leaves %s empty: give it a value, and see that stores keep it", sample, name)
		}
	}
}

// together runs work in as many goroutines, begun at once, and waits for them.
// It reports the errors.
func together(t *testing.T, n int, work func(worker int) error) {
	t.Helper()
	start, done := make(chan struct{}), make(chan error, n)
	for worker := range n {
		go func() {
			<-start
			done <- work(worker)
		}()
	}
	close(start)
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// oneWins makes eight calls at once, of which one succeeds; the others find that it has.
func oneWins(t *testing.T, call func() error) {
	t.Helper()
	var winners atomic.Int64
	together(t, 8, func(int) error {
		err := call()
		if err == nil {
			winners.Add(1)
		}
		if errors.Is(err, manager.ErrMissing) || errors.Is(err, manager.ErrRevision) {
			return nil
		}
		return err
	})
	equal(t, "winners", int64(1), winners.Load())
}

// OpenAtOnce opens one new store from many sides, which must all get one lineage.
func OpenAtOnce(t *testing.T, open func() (manager.Store, error)) {
	const n = 4
	lineages := make(chan [16]byte, n)
	together(t, n, func(int) error {
		s, err := open()
		if err != nil {
			return err
		}
		policy, err := s.LoadPolicy(context.Background())
		if err == nil {
			lineages <- policy.Lineage
		}
		return errors.Join(err, s.Close())
	})
	first := <-lineages
	for range n - 1 {
		equal(t, "lineage", first, <-lineages)
	}
}

// cancelled is a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
