package edge

import (
	"strconv"

	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

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

// named is why a call failed, with its id.
func (c *call) named(why string) string { return why + " (request id " + c.id + ")" }
