package edge_test

import (
	"encoding/base64"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/corpus"
	"github.com/partnergate/partnergate/filters/policy"
)

func compile(t *testing.T, source *policy.Source) *policy.Snapshot {
	t.Helper()
	built, err := policy.Build(source, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := policy.ParseManifest(built.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	l := policy.NewLoader(m, nil)
	for i := range m.Len() {
		if err := l.Add(m.Entry(i).PartID, built.Parts[m.Entry(i).Digest]); err != nil {
			t.Fatal(err)
		}
	}
	snapshot, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// harnessStart is when a proxy's virtual time begins.
var harnessStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bootstrapOf is a policy as the field bootstrap has it, as of some time before the proxy starts.
func bootstrapOf(t *testing.T, source *policy.Source, before time.Duration, tokens ...string) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(policy.Bootstrap(compile(t, source), harnessStart.Add(-before).UnixMilli(), tokens))
}

func withBootstrap(bootstrap string) string {
	return `{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}, "max_stale": "1h", "bootstrap": "` + bootstrap + `"}`
}

// absent is a manager that cannot be heard until it is there.
type absent struct {
	*managerStub
	there atomic.Bool
}

func (a *absent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.there.Load() {
		panic(http.ErrAbortHandler)
	}
	a.managerStub.ServeHTTP(w, r)
}

func (a *absent) isLongPoll(r *http.Request) bool { return isWatch(r) && a.there.Load() }

var (
	staleVerdict       = corpus.Verdict{Status: 503, Code: "policy_stale"}
	unavailableVerdict = corpus.Verdict{Status: 503, Code: "policy_unavailable"}
)

// TestBootstrapUntilTheManagerIsThere starts without a manager: decisions are
// the bootstrap's, within max_stale of its date to the second, and then the
// manager's, although its version is lower or its lineage another.
func TestBootstrapUntilTheManagerIsThere(t *testing.T) {
	other := revoked(1)
	other.Lineage = [16]byte{0xff}
	later := revoked(12)
	for name, next := range map[string]*policy.Source{"a newer version": later, "an older version": revoked(3), "another lineage": other} {
		for way, filters := range ways(withBootstrap(bootstrapOf(t, estate(7), 20*time.Minute, "another token of 32 characters or so", edgeToken))) {
			if way != "combined" && next != other {
				continue // the way makes no difference to which policies follow
			}
			t.Run(name+" "+way, func(t *testing.T) {
				manager := &absent{managerStub: newStub(next)}
				p := start(t, proxyWith(2, manager, filters...).WithLongPolls(manager.isLongPoll))
				for worker := range 2 {
					checkOn(t, p, worker, good(), servedVerdict)
				}
				p.Advance(40*time.Minute - time.Second)
				checkOn(t, p, 0, good(), servedVerdict)
				p.Advance(2 * time.Second)
				for worker := range 2 {
					checkOn(t, p, worker, good(), staleVerdict)
				}
				if n := metric(p, "partnergate_policy_bootstrap"); n != 1 {
					t.Errorf("partnergate_policy_bootstrap is %d", n)
				}
				manager.there.Store(true)
				eventually(t, p, func() bool { return version(p) == next.Version })
				p.Advance(time.Second)
				for worker := range 2 {
					checkOn(t, p, worker, good(), revokedVerdict)
				}
				if n := metric(p, "partnergate_policy_bootstrap"); n != 0 {
					t.Errorf("partnergate_policy_bootstrap is %d at last", n)
				}
			})
		}
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a proxy starts without its manager, with a bootstrap",
		Done:     "start with a bootstrap 20 min old and `max_stale` 1 h, manager absent; then a manager with a newer version, an older one, another lineage",
		Promised: "decisions by the bootstrap until 1 h after its date, then 503 `policy_stale`; the manager's policy at once when it is there, whichever it is; `partnergate_policy_bootstrap`",
		Seen:     "served until 1 s before, stale 1 s after; every worker decides by the manager's policy",
	})
}

// TestBootstrapThatIsNoGood refuses as if there were none, and says why.
func TestBootstrapThatIsNoGood(t *testing.T) {
	good64 := bootstrapOf(t, estate(7), 0, edgeToken)
	for name, c := range map[string]struct{ bootstrap, reason string }{
		"another estate's":   {bootstrapOf(t, estate(7), 0, "another token of 32 characters or so"), "signature"},
		"from the future":    {bootstrapOf(t, estate(7), -time.Hour, edgeToken), "future"},
		"not base64":         {"<!doctype html>", "malformed"},
		"cut":                {good64[:len(good64)/8*4], "truncated"},
		"cut before it told": {good64[:12], "truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			manager := &absent{managerStub: newStub(estate(1))}
			p := start(t, proxyWith(1, manager, combined(withBootstrap(c.bootstrap))...).WithLongPolls(manager.isLongPoll))
			check(t, p, name, good(), unavailableVerdict)
			if metric(p, "partnergate_bootstrap_rejected;.reason="+c.reason+".;") == 0 {
				t.Errorf("no metric says %s: %v", c.reason, p.Metrics())
			}
			manager.there.Store(true)
			eventually(t, p, func() bool { return version(p) == 1 })
			p.Advance(time.Second)
			check(t, p, "at last", good(), servedVerdict)
		})
	}
	t.Run("too old", func(t *testing.T) {
		manager := &absent{managerStub: newStub(estate(1))}
		p := start(t, proxyWith(1, manager, combined(withBootstrap(bootstrapOf(t, estate(7), time.Hour+time.Second, edgeToken)))...).WithLongPolls(manager.isLongPoll))
		check(t, p, "too old", good(), staleVerdict)
	})
	reliability.Record(t, reliability.Row{
		Fault:    "a bootstrap that is no good",
		Done:     "one signed for another estate, from the future, cut short, HTML, older than `max_stale`",
		Promised: "503 `policy_unavailable` as without one (`policy_stale` where it is too old) until the manager's policy comes; `partnergate_bootstrap_rejected` with the reason",
		Seen:     "as promised",
	})
}

// TestEmptyManagerDoesNotEndABootstrap has a manager without an estate come first.
func TestEmptyManagerDoesNotEndABootstrap(t *testing.T) {
	manager := &absent{managerStub: newStub(&policy.Source{Lineage: [16]byte{9}, Version: 1, Time: 1})}
	manager.there.Store(true)
	p := start(t, proxyWith(1, manager, combined(withBootstrap(bootstrapOf(t, estate(7), 0, edgeToken)))...).WithLongPolls(manager.isLongPoll))
	eventually(t, p, func() bool { return metric(p, "partnergate_policy_rejected;.reason=empty.;") > 0 })
	check(t, p, "an empty manager", good(), servedVerdict)
}
