// Package httpapi is the manager's face over HTTP: the admin API for operators
// and the command, the edge API for proxies, the wasm modules, metrics and
// health. Everything else is the portal's. Gin lives only here.
package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
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
}

// api holds what the endpoints share.
type api struct {
	service *manager.Service
	logger  *slog.Logger
	now     func() time.Time
	admin   tokens
	edge    tokens
	modules *modules
}

// New returns the handler of the whole server.
func New(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &api{
		service: c.Service,
		logger:  c.Logger,
		now:     c.Now,
		admin:   newTokens(Principal{Name: "admin"}, c.AdminToken),
		edge:    newTokens(Principal{Name: "edge"}, c.EdgeTokens...),
		modules: &modules{dir: c.ModulesDir},
	}
	return observe(c.Logger, split(a.router(c.Registry), c.Portal))
}

// split sends the paths that the API owns to it and all others to the portal.
func split(api http.Handler, portal http.Handler) http.Handler {
	owned := []string{"/api/", "/edge/", "/wasm/"}
	exact := map[string]bool{"/api": true, "/metrics": true, "/healthz": true, "/readyz": true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if portal == nil || exact[r.URL.Path] {
			api.ServeHTTP(w, r)
			return
		}
		for _, prefix := range owned {
			if strings.HasPrefix(r.URL.Path, prefix) {
				api.ServeHTTP(w, r)
				return
			}
		}
		portal.ServeHTTP(w, r)
	})
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

	r.GET("/healthz", a.healthz)
	r.GET("/readyz", a.handle(a.readyz))
	if registry != nil {
		r.GET("/metrics", gin.WrapH(promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})))
	}
	r.GET("/wasm/:file", a.handle(a.module))
	r.HEAD("/wasm/:file", a.handle(a.module))
	r.GET("/api/v1/openapi.json", a.handle(a.openAPI))
	a.adminRoutes(r.Group("/api/v1", noStore, a.handle(a.requireAdmin)))
	a.edgeRoutes(r.Group("", noStore, a.handle(a.requireEdge)))
	return r
}

func (a *api) adminRoutes(g *gin.RouterGroup) {
	for _, k := range topKinds {
		a.resourceRoutes(g, "/"+k.plural, k.kind)
	}
	partner := g.Group("/partners/:partner")
	for _, k := range partnerKinds {
		a.resourceRoutes(partner, "/"+k.plural, k.kind)
	}
	partner.GET("/catalog", a.handle(a.catalog))
	partner.GET("/credentials", a.handle(a.listCredentials))
	partner.GET("/applications/:name/credentials", a.handle(a.listCredentials))
	partner.POST("/applications/:name/credentials", a.handle(a.createCredential))
	for _, prefix := range []string{"/credentials", "/partners/:partner/credentials", "/partners/:partner/applications/:name/credentials"} {
		g.GET(prefix+"/:id", a.handle(a.getCredential))
		g.DELETE(prefix+"/:id", a.handle(a.revokeCredential))
		g.POST(prefix+"/:id/rotate", a.handle(a.rotateCredential))
	}
	partner.GET("/members", a.handle(a.listMembers))
	partner.POST("/members", a.handle(a.inviteMember))
	partner.DELETE("/members/:email", a.handle(a.removeMember))
	partner.PUT("/members/:email/password", a.handle(a.setPassword))

	g.POST("/apply", a.handle(a.apply))
	g.GET("/policy", a.handle(a.policy))
	g.GET("/usage", a.handle(a.usage))
	g.GET("/requests", a.handle(a.requests))
	g.GET("/proxies", a.handle(a.proxies))
}

func (a *api) edgeRoutes(g *gin.RouterGroup) {
	g.POST(wire.WatchPath, a.handle(a.exchange(a.service.Watch)))
	g.POST(wire.PartsPath, a.handle(a.exchange(a.service.Parts)))
	g.POST(wire.SyncPath, a.handle(a.exchange(a.service.Sync)))
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

func (a *api) healthz(c *gin.Context) { c.String(http.StatusOK, "ok\n") }

func (a *api) readyz(c *gin.Context) error {
	if err := a.service.Ready(); err != nil {
		return err
	}
	c.String(http.StatusOK, "ready\n")
	return nil
}
