package manager

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// tracing starts spans. Without a tracer it costs a comparison.
type tracing struct{ tracer trace.Tracer }

// ended is called with what a span's work came to.
type ended func(error)

func untraced(error) {}

// begin starts a span; it ends when the function that is returned is called.
func (t tracing) begin(ctx context.Context, name string) (context.Context, ended) {
	if t.tracer == nil {
		return ctx, untraced
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, string(CodeOf(err))) // the text is for the log
		}
		span.End()
	}
}

// note adds a number to the span of ctx.
func (t tracing) note(ctx context.Context, name string, value int64) {
	if t.tracer != nil {
		trace.SpanFromContext(ctx).SetAttributes(attribute.Int64("partnergate."+name, value))
	}
}
