package edge_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
)

// managerFault is one way in which a manager goes wrong.
type managerFault struct {
	name, done string
	answer     func(w http.ResponseWriter, r *http.Request)
	metric     string // that names it
	hangs      bool   // until the caller gives up
}

const (
	refused  = "partnergate_manager_refused;.reason="
	rejected = "partnergate_policy_rejected;.reason="
)

func octetStream(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/octet-stream") }

func flush(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush() // a caller that went away is what the test wants
}

// answerOf is a good answer to a watch, with a policy.
func answerOf(t *testing.T, source *policy.Source) string {
	t.Helper()
	return string((&wire.WatchReply{Manifest: compile(t, source).Manifest().Raw()}).Append(nil))
}

func managerFaults(t *testing.T) []managerFault {
	whole := answerOf(t, revoked(6))
	write := func(contentType string, status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const octets, html = "application/octet-stream", "<!doctype html><title>Sign in to the network</title>"
	return []managerFault{
		{"absent", "connections are refused or broken off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, refused + "unreachable.;", false},
		{"slow", "no answer until the proxy gives up (5 s for a batch, 35 s for a watch)", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, refused + "unreachable.;", true},
		{"slow in the body", "headers and some bytes, then nothing", func(w http.ResponseWriter, r *http.Request) {
			octetStream(w)
			flush(w, whole[:10])
			<-r.Context().Done()
		}, refused + "unreachable.;", true},
		{"broken off in the body", "half the bytes promised, then a reset", func(w http.ResponseWriter, _ *http.Request) {
			octetStream(w)
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			flush(w, whole[:len(whole)/2])
			panic(http.ErrAbortHandler)
		}, refused + "unreachable.;", false},
		{"out of order", "status 500", write("text/plain", 500, "out of order"), refused + "other.;", false},
		{"behind a broken proxy", "status 503", write("text/html", 503, html), refused + "unreachable.;", false},
		{"refuses the token", "status 401", write("application/problem+json", 401, "{}"), refused + "token.;", false},
		{"another server: a page", "HTML with status 200", write("text/html", 200, html), refused + "foreign.;", false},
		{"another server: a page of our type", "HTML with status 200 and the manager's content-type", write(octets, 200, html), rejected + "malformed.;", false},
		{"another server: a redirect", "status 302", write("text/html", 302, html), refused + "other.;", false},
		{"answers cut short", "half an answer, ended well", write(octets, 200, whole[:len(whole)/2]), rejected + "malformed.;", false},
		{"answers with noise", "5 MB of it", write(octets, 200, strings.Repeat("noise", 1<<20)), rejected + "malformed.;", false},
		{"answers with too much", "16 MB", write(octets, 200, strings.Repeat("x", wire.MaxMessage+1)), refused + "too_large.;", false},
		{"an older policy", "a policy of a version before", write(octets, 200, answerOf(t, revoked(4))), rejected + "older.;", false},
		{"a policy with a wrong digest", "one bit of the manifest changed", write(octets, 200, whole[:60]+string(whole[60]^1)+whole[61:]), rejected + "digest.;", false},
	}
}

// TestManagerFaults brings each fault about for a minute: no decision changes,
// a metric names it, and afterwards the newest policy counts and no usage is lost.
func TestManagerFaults(t *testing.T) {
	for _, f := range managerFaults(t) {
		t.Run(f.name, func(t *testing.T) {
			stub := newStub(estate(5))
			var wrong, met atomic.Bool
			p := start(t, proxyWith(2, stub, combined(configuration)...).WithLongPolls(func(r *http.Request) bool {
				return wrong.Load() && f.hangs || !wrong.Load() && isWatch(r)
			}))
			ready(t, p, 5)
			wrong.Store(true)
			stub.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				met.Store(met.Load() || r.URL.Path != wire.SyncPath)
				f.answer(w, r)
				return true
			})
			stub.publish(revoked(6)) // ends the watch under way: news that the proxy must get later
			eventually(t, p, met.Load)
			served := uint64(0)
			for range 12 {
				p.Advance(5 * time.Second)
				for worker := range 2 {
					if version(p) == 5 {
						checkOn(t, p, worker, good(), servedVerdict)
						served++
					}
				}
			}
			if version(p) != 5 {
				t.Fatalf("the proxy went over to version %d", version(p))
			}
			if metric(p, f.metric) == 0 {
				t.Errorf("%s did not rise: %v", f.metric, p.Metrics())
			}
			wrong.Store(false)
			stub.intercept(nil)
			stub.publish(revoked(7))
			if f.hangs {
				p.Advance(40 * time.Second) // the calls under way are given up
			}
			eventually(t, p, func() bool { return version(p) == 7 })
			p.Advance(500 * time.Millisecond)
			for worker := range 2 {
				checkOn(t, p, worker, good(), revokedVerdict)
			}
			wantUsage(t, p, stub, map[string]uint64{"acme admitted": served, "acme credential_revoked": 2})
			if p.Failures() != 0 {
				t.Errorf("%d VMs failed", p.Failures())
			}
			name := strings.Replace(strings.TrimSuffix(f.metric, ".;"), ";.reason=", "`, reason `", 1)
			reliability.Record(t, reliability.Row{
				Fault:    "the manager: " + f.name,
				Done:     f.done + "; for a minute, in answer to every call",
				Promised: "no decision changes; `" + name + "`; afterwards the newest policy, and all usage once",
				Seen:     strconv.FormatUint(served, 10) + " of " + strconv.FormatUint(served, 10) + " requests decided by the last good policy, all counted once",
			})
		})
	}
}

// TestAnotherLineageIsFollowed has the manager's store be another one, as after a restore.
func TestAnotherLineageIsFollowed(t *testing.T) {
	stub := newStub(estate(5))
	p := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, p, 5)
	other := revoked(2)
	other.Lineage = [16]byte{0xee}
	stub.publish(other)
	eventually(t, p, func() bool { return version(p) == 2 })
	p.Advance(200 * time.Millisecond)
	for worker := range 2 {
		checkOn(t, p, worker, good(), revokedVerdict)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "the manager: another lineage",
		Done:     "a policy of another store with a lower version, as after a restore",
		Promised: "it is followed: versions of two stores say nothing of one another",
		Seen:     "every worker decides by it",
	})
}

// TestMaxStaleIsExact finds the second from which a policy is too old, and
// decisions again at once when the manager is back, although the policy is the same.
func TestMaxStaleIsExact(t *testing.T) {
	manager := &absent{managerStub: newStub(estate(1))}
	manager.there.Store(true)
	config := `{"manager": {"cluster": "partnergate", "token": "` + edgeToken + `"}, "max_stale": "10m"}`
	var back atomic.Bool // the next watch is answered at once
	p := start(t, proxyWith(2, manager, combined(config)...).WithLongPolls(func(r *http.Request) bool {
		return manager.isLongPoll(r) && !back.CompareAndSwap(true, false)
	}))
	ready(t, p, 1)
	manager.there.Store(false)
	p.Advance(40 * time.Second) // the watch under way is over
	age := metric(p, "partnergate_policy_age_seconds")
	p.Advance(time.Duration(599-age) * time.Second)
	for worker := range 2 {
		checkOn(t, p, worker, good(), servedVerdict)
	}
	p.Advance(2 * time.Second)
	for worker := range 2 {
		checkOn(t, p, worker, good(), staleVerdict)
	}
	manager.there.Store(true)
	back.Store(true)
	took, ok := takes(p, 5*time.Second, func() bool { return metric(p, "partnergate_policy_age_seconds") < 10 })
	if !ok {
		t.Error("no watch was answered within 5 s")
	}
	p.Advance(200 * time.Millisecond)
	for worker := range 2 {
		checkOn(t, p, worker, good(), servedVerdict)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "the manager: absent for longer than `max_stale`",
		Done:     "`max_stale` 10 min, the manager absent for longer, then back with the same policy",
		Promised: "served until 10 min after the last contact, 503 `policy_stale` from then on, to the second; served again within 5 s of its return; `partnergate_policy_age_seconds`",
		Seen:     "served 1 s before, refused 1 s after, served again after " + took.Round(100*time.Millisecond).String(),
	})
}

// TestTokenRotation has the manager take two tokens, then only the new one. The
// proxy that still has the old one goes on by its last good policy, and says why.
func TestTokenRotation(t *testing.T) {
	const oldToken = "the-old-token-of-at-least-32-characters"
	stub := newStub(estate(5))
	var removed atomic.Bool
	stub.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Bearer "+oldToken {
			return false
		}
		if removed.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		r.Header.Set("Authorization", "Bearer "+edgeToken)
		return false
	})
	slow := start(t, proxyWith(2, stub, combined(strings.Replace(configuration, edgeToken, oldToken, 1))...))
	quick := start(t, proxyWith(2, stub, combined(configuration)...))
	ready(t, slow, 5)
	ready(t, quick, 5)
	removed.Store(true)
	slow.Advance(40 * time.Second) // the watch under way, which was let in, is over
	stub.publish(revoked(6))
	eventually(t, quick, func() bool { return version(quick) == 6 })
	for range 12 {
		slow.Advance(10 * time.Second)
		checkOn(t, slow, 0, good(), servedVerdict)
	}
	if n := metric(slow, refused+"token.;"); n == 0 || metric(quick, refused+"token.;") != 0 {
		t.Errorf("%d calls were refused for the token", n)
	}
	told := 0
	for _, entry := range slow.Logs() {
		if strings.Contains(entry.Message, "refuses the token") {
			told++
		}
	}
	if told == 0 || told > 4 {
		t.Errorf("the log says it %d times in two minutes", told)
	}
	reliability.Record(t, reliability.Row{
		Fault:    "an edge token is rotated",
		Done:     "two tokens valid at once, then the old one removed while a proxy still has it",
		Promised: "both proxies served while both are valid; then the one with the old token keeps its last good policy, no decision changes; `partnergate_manager_refused`, reason `token`, and a line in the log, not one a call",
		Seen:     "as promised",
	})
}
