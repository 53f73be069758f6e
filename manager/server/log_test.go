package server_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// line is one line of the log, read.
type line map[string]any

func (l line) text(field string) string {
	s, _ := l[field].(string)
	return s
}

// lines reads the log, and checks that each line is one JSON object with a
// time, a level, a message and fields of the vocabulary.
func (r *run) lines() (all []line) {
	r.t.Helper()
	for text := range strings.Lines(r.log.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			r.t.Fatalf("%v: %s", err, text)
		}
		if strings.Count(text, `"request_id"`) > 1 || strings.Count(text, `"actor"`) > 1 {
			r.t.Errorf("a field twice: %s", text)
		}
		for field := range l {
			known := slices.ContainsFunc(telemetry.Fields, func(f telemetry.Field) bool { return f.Name == field })
			if !known && field != "time" && field != "level" && field != "msg" {
				r.t.Errorf("a line has the field %q: %s", field, text)
			}
		}
		if _, err := time.Parse(time.RFC3339Nano, l.text("time")); err != nil || l.text("msg") == "" || !slices.Contains([]string{"DEBUG", "INFO", "WARN", "ERROR"}, l.text("level")) {
			r.t.Errorf("a line without time, level or message: %s", text)
		}
		all = append(all, l)
	}
	return all
}

// find returns the only line with all of the fields and values.
func (r *run) find(all []line, want ...string) line {
	r.t.Helper()
	var found []line
	for _, l := range all {
		fits := true
		for i := 0; i < len(want); i += 2 {
			fits = fits && l.text(want[i]) == want[i+1]
		}
		if fits {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		r.t.Errorf("%d lines with %q", len(found), want)
		return line{}
	}
	return found[0]
}

func TestLogOfARun(t *testing.T) {
	r := start(t, func(*server.Settings) {})
	r.everything()
	audit := r.admin("audit-1", 200, "GET", "/api/v1/audit?kind=Partner", "", "")
	r.stop()
	all := r.lines()
	for _, secret := range r.secrets {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	for _, l := range all {
		ms, timed := l["duration_ms"].(float64)
		if l.text("msg") == "request" && (l.text("request_id") == "" || l.text("method") == "" || l.text("path") == "" || !timed || ms < 0) {
			t.Errorf("a request's line lacks something: %v", l)
		}
	}
	if l := r.find(all, "msg", "request", "request_id", "apply-1"); l.text("actor") != "bootstrap" || l["status"] != 200.0 {
		t.Errorf("%v", l)
	}
	if l := r.find(all, "msg", "policy changed", "request_id", "apply-1"); l["policy_version"] != 2.0 || l.text("actor") != "bootstrap" {
		t.Errorf("%v", l)
	}
	if l := r.find(all, "msg", "request", "request_id", "usage-1"); l.text("error") != errDisk.Error() || l.text("level") != "WARN" {
		t.Errorf("the line of a request whose store failed does not say why: %v", l)
	}
	if !strings.Contains(audit, `"request_id":"apply-1"`) {
		t.Errorf("the audit log does not name the request: %s", audit)
	}
	proxyID := "edge-1.01" + strings.Repeat("0", 30)
	r.find(all, "msg", "batches of a proxy are missing; was the store restored?", "request_id", "call-of-the-proxy", "proxy", proxyID)
	for _, code := range []string{"unauthorized", "version_unknown", "schema_unknown"} {
		r.find(all, "msg", "request", "request_id", "call-of-the-proxy", "code", code)
	}
	if l := r.find(all, "msg", "request", "path", "/edge/v1/watch", "level", "DEBUG"); l.text("proxy") != proxyID {
		t.Errorf("a watch's line does not name the proxy: %v", l)
	}
}

// TestProblemsNameTheRequest finds the request's id in a refusal, and a new one
// where none that is fit for a log was given.
func TestProblemsNameTheRequest(t *testing.T) {
	r := start(t, func(*server.Settings) {})
	for given, kept := range map[string]bool{"plain-1": true, "two words": false, "": false, strings.Repeat("x", 200): false} {
		response, body := r.do("GET", "/api/v1/nothing", "", "X-Request-Id", given, "Authorization", "Bearer "+goodAdmin)
		var problem struct {
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(body), &problem); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		id := response.Header.Get("X-Request-Id")
		if id == "" || problem.RequestID != id || (id == given) != kept {
			t.Errorf("given %q: header %q, problem %q", given, id, problem.RequestID)
		}
	}
}

// TestTextLog is for people: key=value.
func TestTextLog(t *testing.T) {
	r := start(t, func(s *server.Settings) { s.LogFormat = telemetry.Text })
	r.admin("text-1", 404, "GET", "/api/v1/plans/none", "", "")
	r.stop()
	if !strings.Contains(r.log.String(), "level=INFO msg=request actor=bootstrap method=GET path=/api/v1/plans/none status=404") ||
		!strings.Contains(r.log.String(), "request_id=text-1") {
		t.Errorf("%s", r.log.String())
	}
}
