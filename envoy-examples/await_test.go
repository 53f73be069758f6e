package envoyexamples

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager/rest"
)

// patience bounds a failure; nothing is expected to take so long, on a busy machine either.
const patience = 2 * time.Minute

// poll asks until the condition holds.
func poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	pollEvery(t, 10*time.Millisecond, what, holds)
}

// pollEvery asks less often than poll, where asking costs much.
func pollEvery(t testing.TB, pause time.Duration, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s, but %s", patience, what)
		}
	}
}

// tries is how often what is promised within a time may be tried: this machine may have had something else to do.
const tries = 3

// promised does what must not take longer than the product promises, and returns how long it took.
func promised(t testing.TB, what string, within time.Duration, once func() time.Duration) (took time.Duration) {
	t.Helper()
	for n := range tries {
		if took = once(); took <= within {
			return took
		}
		t.Logf("try %d: %s only after %s", n+1, what, took)
	}
	t.Errorf("%s after %s, and each of %d times later than %s, as it is promised", what, took, tries, within)
	return took
}

// inARow is how many connections, each at one of the workers by chance, have to get the same before all workers count as met.
const inARow = 20

// awaitPolicy returns when every worker of every edge decides by the version, or a later one. It asks them all, since nobody is waited
// for whom the manager does not know yet.
func (b *backend) awaitPolicy(t testing.TB, version int64, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		poll(t, "the edge does not decide by the new policy", func() bool {
			for range inARow {
				a, err := ask(address, request{method: http.MethodGet, target: "/", host: "nobody.example.test"})
				if err != nil {
					t.Fatal(err)
				}
				if p, _ := a.problem(); p.PolicyVersion < version {
					return false
				}
			}
			return true
		})
	}
	b.awaitAcknowledged(t, version)
}

// awaitAcknowledged returns when all edges that the manager knows decide by the version.
func (b *backend) awaitAcknowledged(t testing.TB, version int64) {
	t.Helper()
	poll(t, fmt.Sprintf("some edges do not decide by policy version %d", version), func() bool {
		behind, err := b.Acknowledged(t.Context(), version, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return len(behind) == 0
	})
}

// logPromise is how soon after its end a request is in the log.
const logPromise = 5 * time.Second

// newSecond returns when another second of the clock has begun. The log has 50 decisions of each partner and second, so that
// what was asked before, of nobody's or of many partners, may have used up this one.
func newSecond(t testing.TB) {
	t.Helper()
	began := time.Now().Unix()
	poll(t, "the clock stands still", func() bool { return time.Now().Unix() != began })
}

// awaitLogged returns the operator's entry of a request, once it is there.
func (b *backend) awaitLogged(t testing.TB, requestID string) rest.Request {
	t.Helper()
	var found rest.Request
	poll(t, "the request "+requestID+" is not in the log", func() bool {
		page, err := b.Requests(t.Context(), map[string][]string{"request_id": {requestID}})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > 0 {
			found = page.Items[0]
		}
		return len(page.Items) > 0
	})
	return found
}

// awaitAccess returns the first line of an access log that matches.
func awaitAccess(t testing.TB, log *AccessLog, match func(Access) bool) Access {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	entry, err := log.Await(ctx, match)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}
