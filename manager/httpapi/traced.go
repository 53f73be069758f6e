package httpapi

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// traced makes a span of each request but of what only waits or is asked for
// every few seconds. Without a provider nothing stands before next.
func traced(provider trace.TracerProvider, next http.Handler) http.Handler {
	if provider == nil {
		return next
	}
	return otelhttp.NewHandler(next, "request",
		otelhttp.WithTracerProvider(provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithFilter(worthASpan),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + surfaceOf(r.URL.Path) }),
		// Whoever comes from outside begins a trace of its own, linked to theirs.
		otelhttp.WithPublicEndpointFn(func(r *http.Request) bool { return surfaceOf(r.URL.Path) == manager.SurfacePortal }),
	)
}

func worthASpan(r *http.Request) bool {
	path := r.URL.Path
	return path != wire.WatchPath && path != "/healthz" && path != "/readyz" && path != "/metrics" && !strings.HasPrefix(path, "/static/")
}
