package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// requestID is the id of r; only behind observe.
func requestID(r *http.Request) string { return telemetry.RequestID(r.Context()) }

// observe gives each request an id, logs and counts it and survives a panic.
// The log has the path but never the query, a header or a body, since those can
// hold secrets.
func observe(logger *slog.Logger, metrics *manager.Metrics, trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		answered := metrics.Serving(surfaceOf(r.URL.Path), r.URL.Path == wire.WatchPath)
		id := acceptRequestID(r.Header.Get("X-Request-Id"))
		origin := manager.Origin{Address: clientAddress(r, trusted), RequestID: id}
		ctx, noted := telemetry.Begin(r.Context(), id)
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("partnergate.request_id", id))
		r = r.WithContext(manager.WithOrigin(ctx, origin))
		r.Header.Set("X-Request-Id", id) // the portal reads it here
		w.Header().Set("X-Request-Id", id)
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				recovered(logger, rec, r, v)
			}
			answered(rec.status)
			logger.LogAttrs(r.Context(), levelOf(r, rec.status), "request", append(noted.Notes(),
				slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
				slog.Float64("duration_ms", float64(time.Since(start).Microseconds())/1000),
				slog.String("remote", r.RemoteAddr), slog.String("client", origin.Address))...)
		}()
		next.ServeHTTP(rec, r)
	})
}

// recovered answers 500 where a panic left nothing, and cuts the connection
// where half an answer is out already.
func recovered(logger *slog.Logger, w *recorder, r *http.Request, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	logger.ErrorContext(r.Context(), "request panicked", "method", r.Method, "path", r.URL.Path,
		"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	writeProblem(w, internalProblem(), requestID(r))
}

// levelOf keeps what runs every few seconds out of the log while it goes well.
func levelOf(r *http.Request, status int) slog.Level {
	p := r.URL.Path
	routine := p == "/healthz" || p == "/readyz" || p == "/metrics" || strings.HasPrefix(p, "/edge/") || strings.HasPrefix(p, "/static/")
	switch {
	case status >= 500:
		return slog.LevelWarn
	case routine && status < 400:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// acceptRequestID returns given where it is short and plain, so that it is
// safe in logs and headers, and a new id otherwise.
func acceptRequestID(given string) string {
	if given == "" || len(given) > 128 || strings.ContainsFunc(given, func(c rune) bool { return !strings.ContainsRune(idCharacters, c) }) {
		return uuid.NewString()
	}
	return given
}

const idCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+="

// recorder remembers the status and counts the bytes of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
