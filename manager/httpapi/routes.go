package httpapi

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// route is one method of one path, what it needs, and what answers it.
type route struct {
	method, path string
	needs        manager.Permission
	answer       func(*gin.Context) error
}

const (
	get    = http.MethodGet
	put    = http.MethodPut
	post   = http.MethodPost
	remove = http.MethodDelete
)

// routes are all of the API. The router is built from them and from nothing
// else, and starts only where each says what it needs.
func (a *api) routes(registry *prometheus.Registry) []route {
	all := slices.Concat(a.openRoutes(registry), a.edgeRoutes(), a.policyRoutes(), a.credentialRoutes(), a.memberRoutes(), a.reportRoutes())
	for i := range all {
		if all[i].needs != open && all[i].needs != proxies {
			all[i].path = "/api/v1" + all[i].path
		}
	}
	for _, r := range all { // what can be had can be asked for without its body
		if r.method == get {
			all = append(all, route{http.MethodHead, r.path, r.needs, r.answer})
		}
	}
	return all
}

// register adds a route behind the check of what it needs.
func (a *api) register(r *gin.Engine, route route) {
	check, known := a.checks(route.needs)
	if !known {
		panic(fmt.Sprintf("httpapi: the route %s %s does not say what it needs; give it a permission of access.go", route.method, route.path))
	}
	r.Handle(route.method, route.path, append(check, a.handle(route.answer))...)
}

func (a *api) openRoutes(registry *prometheus.Registry) []route {
	all := []route{
		{get, "/healthz", open, a.healthz},
		{get, "/readyz", open, a.readyz},
		{get, "/wasm/:file", open, a.module},
		{get, "/api/v1/openapi.json", open, a.openAPI},
	}
	if registry != nil {
		metrics := metricsOf(registry)
		all = append(all, route{get, "/metrics", open, func(c *gin.Context) error {
			metrics.ServeHTTP(c.Writer, c.Request)
			return nil
		}})
	}
	return all
}

func metricsOf(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
}

// MetricsHandler answers /metrics and nothing else, for an address of its own.
func MetricsHandler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsOf(registry))
	return mux
}

func (a *api) edgeRoutes() []route {
	return []route{
		{post, wire.WatchPath, proxies, a.exchange(a.service.Watch)},
		{post, wire.PartsPath, proxies, a.exchange(a.service.Parts)},
		{post, wire.SyncPath, proxies, a.exchange(a.service.Sync)},
	}
}

func (a *api) policyRoutes() []route {
	all := []route{
		{post, "/apply", manager.MayWritePolicy, a.apply},
		{post, "/delete", manager.MayWritePolicy, a.deleteAll},
		{get, "/explain", manager.MayExplain, a.explain},
		{get, "/policy", manager.MayReadPolicy, a.policy},
		{get, "/proxies", manager.MayReadPolicy, a.proxies},
		{get, "/partners/:partner/catalog", manager.MayReadPartners, a.catalog},
	}
	for _, k := range topKinds {
		all = append(all, a.resourceRoutes("/"+k.plural, k)...)
	}
	for _, k := range partnerKinds {
		all = append(all, a.resourceRoutes("/partners/:partner/"+k.plural, k)...)
	}
	return all
}

func (a *api) resourceRoutes(path string, k pluralKind) []route {
	one := path + "/:name"
	if k.kind == manager.KindPartner {
		one = path + "/:partner" // Gin wants one name for one place
	}
	return []route{
		{get, path, k.read, a.list(k.kind)},
		{get, one, k.read, a.get(k.kind)},
		{put, one, k.write, a.put(k.kind)},
		{remove, one, manager.MayWritePolicy, a.remove(k.kind)},
	}
}

func (a *api) credentialRoutes() []route {
	const ofApplication = "/partners/:partner/applications/:name/credentials"
	all := []route{
		{get, "/partners/:partner/credentials", manager.MayReadPartners, a.listCredentials},
		{get, ofApplication, manager.MayReadPartners, a.listCredentials},
		{post, ofApplication, manager.MayWriteKeys, a.createCredential},
		{post, "/credentials/import", manager.MayWriteKeys, a.importCredentials},
	}
	for _, prefix := range []string{"/credentials", "/partners/:partner/credentials", ofApplication} {
		all = append(all,
			route{get, prefix + "/:id", manager.MayReadPartners, a.getCredential},
			route{remove, prefix + "/:id", manager.MayRevokeKeys, a.revokeCredential},
			route{post, prefix + "/:id/rotate", manager.MayWriteKeys, a.rotateCredential})
	}
	return all
}

func (a *api) memberRoutes() []route {
	return []route{
		{get, "/partners/:partner/members", manager.MayReadPartners, a.listMembers},
		{post, "/partners/:partner/members", manager.MayWriteMembers, a.inviteMember},
		{remove, "/partners/:partner/members/:email", manager.MayWriteMembers, a.removeMember},
		{put, "/partners/:partner/members/:email/password", manager.MayWriteMembers, a.setPassword},
		{post, "/logins/unlock", manager.MayUnlockLogins, a.unlockLogin},
	}
}

func (a *api) reportRoutes() []route {
	return []route{
		{get, "/usage", manager.MayReadUsage, a.usage},
		{get, "/requests", manager.MayReadUsage, a.requests},
		{get, "/audit", manager.MayReadAudit, a.audit},
		{get, "/tokens", manager.MayReadTokens, a.listTokens},
		{post, "/tokens", manager.MayWriteTokens, a.createToken},
		{remove, "/tokens/:name", manager.MayWriteTokens, a.revokeToken},
	}
}
