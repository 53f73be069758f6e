package telemetry

import (
	"io"
	"log/slog"
)

// Formats of log lines.
const (
	JSON = "json" // one object a line, for machines
	Text = "text" // key=value, for people
)

// Formats lists them.
var Formats = []string{JSON, Text}

// NewLogger writes lines of a format to w. A format that is none of Formats is JSON.
func NewLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == Text {
		return Logger(slog.New(slog.NewTextHandler(w, options)))
	}
	return Logger(slog.New(slog.NewJSONHandler(w, options)))
}

// Field is one field of log lines.
type Field struct{ Name, Meaning string }

// Fields are all that a line of the manager can have beside time, level and
// msg. docs/operations.md lists them from here; tests hold the code to them.
var Fields = []Field{
	{"request_id", "the request: in the answer's `X-Request-Id`, in a problem's `request_id`, in the audit log"},
	{"trace_id", "the trace, where traces are exported"},
	{"actor", "who asked or changed: a token's name, a member's email, `manager` for the manager itself"},
	{"on_behalf_of", "`file`, `api` or `portal`"},
	{"method", "of the request"},
	{"path", "of the request, without its query"},
	{"status", "of the answer"},
	{"bytes", "of the answer"},
	{"duration_ms", "that it took, in milliseconds"},
	{"code", "why a proxy's call was refused"},
	{"client", "IP address of who called, behind trusted proxies"},
	{"remote", "address and port of the peer"},
	{"proxy", "a proxy process: node id, dot, nonce"},
	{"policy_version", "version of the policy"},
	{"changes", "how many resources a change wrote"},
	{"first", "the first of them"},
	{"bucket", "a limit's ledger"},
	{"sequence", "of a proxy's batch, as received"},
	{"stored_sequence", "of the last batch stored of that proxy"},
	{"call", "the store's method that failed"},
	{"environment", "whose gateway gave no answer to a member's try"},
	{"error", "what went wrong; never a secret"},
	{"panic", "what a handler panicked with"},
	{"stack", "where"},
	{"address", "that is listened on"},
	{"url", "that the manager is reached at"},
	{"store", "the store, without its password"},
	{"missing", "files that the portal lacks"},
}
