package edge

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// call is one kind of call to the manager; one at a time is under way.
type call struct {
	path    string
	timeout uint32 // milliseconds
	out     bool
	since   int64
	next    int64 // not before
	fails   int
	status  string // of the last answer; empty where there was none
	refused string // what the manager's refusal named; empty where it was none of its
	id      string // of the last call
}

// The most that is waited after the first failed call, and after many,
// milliseconds; a quarter of it is the least.
const (
	retryFirst = 600
	retryMost  = 2000
)

// send makes a call. answered gets the body of a good answer, a view; failed
// gets why there is none.
func (l *leader) send(c *call, body []byte, now int64, answered, failed func(what string, now int64)) {
	c.id, c.out, c.since, c.status, c.refused = l.nextID(), true, now, "", ""
	since := now
	_, err := proxywasm.DispatchHttpCall(l.edge.manager.Cluster, l.headers(c), l.inVersion(body), nil, c.timeout, func(_, bodySize, _ int) {
		if l.edge.leader != l || !c.out || c.since != since {
			return // this VM leads no more, or the call was given up
		}
		if c.out = false; !l.edge.leads() {
			return // it stood still until another took its place, which has its own answers
		}
		if body, why := l.open(c, bodySize); why != "" {
			failed(why, nowMillis())
		} else {
			answered(body, nowMillis())
		}
	})
	if err == nil {
		return
	}
	if errors.Is(err, proxywasm.ErrUnimplemented) {
		l.edge.lacks(needCalls, err)
	}
	c.out = false
	failed("the host did not make the call to cluster "+l.edge.manager.Cluster+": "+err.Error(), now)
}

// nowMillis is now, where a parameter has that name.
func nowMillis() int64 { return now() }

func (l *leader) headers(c *call) [][2]string {
	m := &l.edge.manager
	return [][2]string{
		{":method", "POST"}, {":path", c.path}, {":authority", m.Authority}, {":scheme", "http"},
		{"content-type", "application/octet-stream"}, {"authorization", "Bearer " + m.Token},
		{"x-request-id", c.id},
		// To Envoy: where a manager cannot be connected to, try again, which may pick another one.
		{"x-envoy-retry-on", "connect-failure"}, {"x-envoy-max-retries", "5"},
	}
}

// open reads an answer: its body, as a view, or why it is none of the manager's.
func (l *leader) open(c *call, bodySize int) (body, why string) {
	status, why := checkAnswer(bodySize)
	c.status = strings.Clone(status)
	if why != "" {
		refused, _ := proxywasm.GetHttpCallResponseHeader(wire.VersionHeader)
		c.refused = strings.Clone(refused)
		l.speak(refused)
		return "", why
	}
	raw, err := proxywasm.GetHttpCallResponseBody(0, wire.MaxMessage)
	if err != nil && bodySize > 0 {
		return "", "the answer's body cannot be read: " + err.Error()
	}
	return proxywasm.ViewString(raw), ""
}

// checkAnswer looks at the head of an answer; empty where it is good.
func checkAnswer(bodySize int) (status, why string) {
	status, err := proxywasm.GetHttpCallResponseHeader(":status")
	switch {
	case err != nil || status == "":
		countReason("partnergate_manager_refused", "unreachable")
		return "", "there was no answer"
	case status != "200":
		return status, refusedBy(status)
	case bodySize > wire.MaxMessage:
		countReason("partnergate_manager_refused", "too_large")
		return status, "the answer is too large"
	}
	if contentType, _ := proxywasm.GetHttpCallResponseHeader("content-type"); contentType != "application/octet-stream" {
		countReason("partnergate_manager_refused", "foreign")
		return status, "the answer is not the manager's: its content-type is " + contentType
	}
	return status, ""
}

// refusedBy is why the manager did not answer with status 200, for the log. Each
// is counted under one of a few words, so that an operator sees which.
func refusedBy(status string) (why string) {
	code, _ := proxywasm.GetHttpCallResponseHeader(wire.VersionHeader)
	reason := "other"
	switch {
	case status == "401" || status == "403":
		reason = "token"
		why = "the manager refuses the token (status " + status + "); set manager.token to one of its PARTNERGATE_EDGE_TOKEN"
	case code == wire.UnknownVersion:
		reason = "version"
		why = "the manager does not speak the version of these filters' messages; bring manager and filters to versions that are at most one apart"
	case code == wire.UnknownSchema:
		reason = "schema"
		why = "the manager makes policies that these filters cannot read; bring manager and filters to versions that are at most one apart"
	case status == "502" || status == "503" || status == "504":
		reason = "unreachable" // so say hosts of an upstream that is absent or slow, too
		why = "the manager cannot be reached, or not in time (status " + status + ")"
	default:
		why = "the answer's status is " + status
	}
	countReason("partnergate_manager_refused", reason)
	return why
}

// speak turns to the other version of the messages that is known here, where
// the manager knows not the one that was spoken.
func (l *leader) speak(refused string) {
	if refused == wire.UnknownVersion {
		l.version = wire.OtherVersion(l.version)
	}
}

// inVersion is a message in the version that is spoken with the manager.
func (l *leader) inVersion(body []byte) []byte {
	if len(body) == 0 || body[0] == l.version {
		return body
	}
	return append([]byte{l.version}, body[1:]...)
}

// nextID names a call, so that the logs of proxy and manager can be laid side by side.
func (l *leader) nextID() string {
	l.calls++
	id := []byte("pg-")
	for _, b := range l.edge.nonce[:6] {
		id = append(id, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
	}
	return string(strconv.AppendUint(append(id, '-'), l.calls, 10))
}

// ready reports whether the call may be made now. A call that the host never
// answered is given up.
func (c *call) ready(now int64) bool {
	if c.out && now-c.since > int64(c.timeout)+retryMost {
		c.out = false
	}
	return !c.out && now >= c.next
}

// failed puts the next try off: longer each time, and by chance, so that
// proxies do not come all at once.
func (c *call) failed(now int64) {
	most := int64(min(retryFirst<<min(c.fails, 4), retryMost))
	c.fails++
	c.next = now + most/4 + rand.Int64N(most-most/4)
}

func (c *call) succeeded(now int64) { c.fails, c.next = 0, now }

// named is why a call failed, with its id.
func (c *call) named(why string) string { return why + " (request id " + c.id + ")" }
