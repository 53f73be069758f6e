package server_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/partnergate/partnergate/manager/server"
)

// spans is an OTLP receiver.
type spans struct {
	t       *testing.T
	mu      sync.Mutex
	all     []*tracev1.Span
	service string
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var batch collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &batch)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		s.t.Errorf("%s: %v", r.URL.Path, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range batch.ResourceSpans {
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" {
				s.service = a.Value.GetStringValue()
			}
		}
		for _, scope := range of.ScopeSpans {
			s.all = append(s.all, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// under finds the only span with a name below a parent; nil is any parent.
func (s *spans) under(parent *tracev1.Span, name string) *tracev1.Span {
	s.t.Helper()
	var found []*tracev1.Span
	for _, span := range s.all {
		if span.Name == name && (parent == nil || string(span.ParentSpanId) == string(parent.SpanId) && string(span.TraceId) == string(parent.TraceId)) {
			found = append(found, span)
		}
	}
	if len(found) == 0 {
		s.t.Fatalf("no span %s below %s", name, parent.GetName())
	}
	return found[len(found)-1]
}

// parent is the span that a span is below; nil for none.
func (s *spans) parent(of *tracev1.Span) *tracev1.Span {
	for _, span := range s.all {
		if string(span.SpanId) == string(of.GetParentSpanId()) {
			return span
		}
	}
	return nil
}

// of finds the span of a request by its id.
func (s *spans) of(requestID string) *tracev1.Span {
	s.t.Helper()
	for _, span := range s.all {
		for _, a := range span.Attributes {
			if a.Key == "partnergate.request_id" && a.Value.GetStringValue() == requestID {
				return span
			}
		}
	}
	s.t.Fatalf("no span of the request %s", requestID)
	return nil
}

// TestTraces runs a manager with a collector beside it.
func TestTraces(t *testing.T) {
	received := &spans{t: t}
	receiver := httptest.NewServer(received)
	defer receiver.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_SERVICE_NAME", "")
	r := start(t, func(s *server.Settings) { s.Traces = true })
	r.everything()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	r.do("GET", "/api/v1/plans", "", "Authorization", "Bearer "+goodAdmin, "X-Request-Id", "caller-1", "Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	r.stop()

	apply := received.of("apply-1")
	if apply.Name != "POST admin" || apply.Kind != tracev1.Span_SPAN_KIND_SERVER {
		t.Errorf("%v", apply)
	}
	for _, name := range []string{"policy.compile", "store.CommitPolicy", "policy.publish"} {
		received.under(apply, name)
	}
	stored := received.under(nil, "store.CommitSync")
	if sync := received.parent(stored); sync.GetName() != "sync" || received.parent(sync).GetName() != "POST edge" {
		t.Errorf("a batch's commit is below %q", sync.GetName())
	}
	if got := hex.EncodeToString(received.of("caller-1").TraceId); got != trace {
		t.Errorf("the caller's trace does not go on: %s", got)
	}
	if received.service != "partnergate-manager" {
		t.Errorf("service.name is %q", received.service)
	}
	received.wantNo(r.secrets)
	if !strings.Contains(r.log.String(), `"trace_id":"`+trace+`"`) {
		t.Error("the log does not name the trace")
	}
}

// wantNo looks for secrets, and for spans of what only waits.
func (s *spans) wantNo(secrets []string) {
	s.t.Helper()
	for _, span := range s.all {
		text := span.String()
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				s.t.Errorf("a span has the secret %q: %s", secret, text)
			}
		}
		if strings.Contains(text, "/edge/v1/watch") || strings.Contains(text, "/healthz") {
			s.t.Errorf("a span of what only waits: %s", text)
		}
	}
}

// TestTracesWanted knows the variables of OpenTelemetry.
func TestTracesWanted(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		want        bool
	}{
		{nil, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, false},
	} {
		if got := server.TracesWanted(func(name string) string { return c.environment[name] }); got != c.want {
			t.Errorf("%v: %t", c.environment, got)
		}
	}
}
