package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTimeout is how long the end waits for a collector.
const flushTimeout = 2 * time.Second

// TracesWanted tells whether the variables of OpenTelemetry ask for traces: an
// endpoint is named, and nothing turns them off.
func TracesWanted(getenv func(string) string) bool {
	exporter := getenv("OTEL_TRACES_EXPORTER")
	return !strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") && (exporter == "" || exporter == "otlp") &&
		(exporter == "otlp" || getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "")
}

// tracing sends spans where the variables of OpenTelemetry say. The zero
// tracing sends none, and nothing runs for it.
type tracing struct{ provider *sdktrace.TracerProvider }

// startTracing reads the variables; the library reads most of them itself.
func startTracing(ctx context.Context, settings Settings, logger *slog.Logger) (tracing, error) {
	if !settings.Traces {
		return tracing{}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return tracing{}, fmt.Errorf("send traces by OTLP over HTTP: %w; correct the variables OTEL_EXPORTER_OTLP_…, or set OTEL_SDK_DISABLED=true", err)
	}
	// What the environment says comes last, and wins.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attribute.String("service.name", "partnergate-manager")), resource.WithFromEnv())
	if err != nil {
		return tracing{}, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("traces could not be sent", "error", err)
	}))
	return tracing{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}, nil
}

// tracer is the manager's; nil without tracing.
func (t tracing) tracer() trace.Tracer {
	if t.provider == nil {
		return nil
	}
	return t.provider.Tracer("github.com/partnergate/partnergate/manager")
}

// http is the provider for HTTP; nil without tracing.
func (t tracing) http() trace.TracerProvider {
	if t.provider == nil {
		return nil
	}
	return t.provider
}

// stop sends what is left. A collector that is away must not hold up the end.
func (t tracing) stop() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // the error handler has told of it
}
