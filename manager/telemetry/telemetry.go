// Package telemetry is what log lines, traces and answers of the manager have
// in common: the id of a request, the fields of a log line, and the spans.
package telemetry

import (
	"context"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// Request is one request on its way through the manager.
type Request struct {
	ID string

	mu    sync.Mutex
	notes []slog.Attr
}

type requestKey struct{}

// Begin puts a request with an id into ctx.
func Begin(ctx context.Context, id string) (context.Context, *Request) {
	r := &Request{ID: id}
	return context.WithValue(ctx, requestKey{}, r), r
}

// RequestID is the id of the request that ctx belongs to; empty for none.
func RequestID(ctx context.Context) string {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r.ID
	}
	return ""
}

// Note adds a field to the line that is logged when the request has ended, such
// as who made it. A later value takes the place of an earlier one.
func Note(ctx context.Context, field, value string) {
	r, ok := ctx.Value(requestKey{}).(*Request)
	if !ok || value == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.notes {
		if r.notes[i].Key == field {
			r.notes[i].Value = slog.StringValue(value)
			return
		}
	}
	r.notes = append(r.notes, slog.String(field, value))
}

// Notes are the fields that were noted.
func (r *Request) Notes() []slog.Attr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]slog.Attr(nil), r.notes...)
}

// Logger is a logger whose lines name the request and the trace that the
// context of a call belongs to. Given one that does so already it returns that.
func Logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		l = slog.Default()
	}
	if _, done := l.Handler().(*handler); done {
		return l
	}
	return slog.New(&handler{l.Handler()})
}

// handler adds what the context knows.
type handler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, line slog.Record) error {
	if id := RequestID(ctx); id != "" {
		line.AddAttrs(slog.String("request_id", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		line.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler { return &handler{h.Handler.WithGroup(name)} }
