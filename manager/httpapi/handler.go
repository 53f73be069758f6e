// Package httpapi is the manager's face over HTTP: the admin API for operators
// and the command, the edge API for proxies, the wasm modules, metrics and
// health. Everything else is the portal's. Gin lives only here.
package httpapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// Config configures the handler. Service, AdminToken and EdgeTokens are required.
type Config struct {
	Service    *manager.Service
	AdminToken string               // the bootstrap token of the admin API
	EdgeTokens []string             // any of them admits a proxy, so that they can be rotated
	ModulesDir string               // where the .wasm files are; empty: none are served
	Registry   *prometheus.Registry // nil: no /metrics
	Logger     *slog.Logger         // nil: slog.Default()
	Portal     http.Handler         // answers what the API does not; nil: 404
	Now        func() time.Time     // nil: time.Now
	// TrustedProxies are the proxies in front of the manager whose X-Forwarded-For is believed; nil: none.
	TrustedProxies []netip.Prefix
	PublicURL      string               // where browsers find the portal, without a slash at its end
	Metrics        *manager.Metrics     // nil: none recorded
	Tracing        trace.TracerProvider // nil: no spans
}

// api holds what the endpoints share.
type api struct {
	service   *manager.Service
	logger    *slog.Logger
	now       func() time.Time
	admission *manager.Admission
	edge      tokens
	modules   *modules
	metrics   *manager.Metrics
	publicURL string
	estate    chan struct{} // holds one token while a body of a whole estate is worked on
}

// New returns the handler of the whole server.
func New(c Config) http.Handler {
	c.Logger = telemetry.Logger(c.Logger)
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &api{
		service:   c.Service,
		logger:    c.Logger,
		now:       c.Now,
		admission: c.Service.Admission(c.AdminToken),
		edge:      newTokens(c.EdgeTokens...),
		modules:   &modules{dir: c.ModulesDir},
		metrics:   c.Metrics,
		publicURL: c.PublicURL,
		estate:    make(chan struct{}, 1),
	}
	return traced(c.Tracing, observe(c.Logger, c.Metrics, c.TrustedProxies, split(a.router(c.Registry), c.Portal)))
}

// split sends the paths that the API owns to it and all others to the portal.
func split(api http.Handler, portal http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if portal != nil && surfaceOf(r.URL.Path) == manager.SurfacePortal {
			portal.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// surfaceOf tells to whom a path belongs.
func surfaceOf(path string) string {
	switch {
	case path == "/api", strings.HasPrefix(path, "/api/"):
		return manager.SurfaceAdmin
	case strings.HasPrefix(path, "/edge/"):
		return manager.SurfaceEdge
	case path == "/metrics", path == "/healthz", path == "/readyz", strings.HasPrefix(path, "/wasm/"):
		return manager.SurfaceOpen
	}
	return manager.SurfacePortal
}

func (a *api) router(registry *prometheus.Registry) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	if err := r.SetTrustedProxies(nil); err != nil {
		panic(err) // nil cannot be malformed
	}
	r.RedirectTrailingSlash = false
	r.HandleMethodNotAllowed = true
	r.NoRoute(a.handle(func(c *gin.Context) error { return errNoRoute(c.Request) }))
	r.NoMethod(a.handle(func(c *gin.Context) error { return errNoMethod(c.Request, c.Writer.Header().Get("Allow")) }))

	for _, route := range a.routes(registry) {
		a.register(r, route)
	}
	return r
}

// handle makes a Gin handler of an endpoint: an error becomes a problem and ends the chain.
func (a *api) handle(endpoint func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := endpoint(c); err != nil {
			c.Abort()
			a.writeError(c.Writer, c.Request, err)
		}
	}
}

// noStore keeps answers that hold policy or keys out of every cache.
func noStore(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
}

func (a *api) healthz(c *gin.Context) error {
	c.String(http.StatusOK, "ok\n")
	return nil
}

func (a *api) readyz(c *gin.Context) error {
	if err := a.service.Ready(); err != nil {
		return err
	}
	c.String(http.StatusOK, "ready\n")
	return nil
}
