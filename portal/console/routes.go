package console

import (
	"fmt"
	"net/http"

	"github.com/partnergate/partnergate/manager"
)

// What routes need that is no permission of a role.
const (
	anybody manager.Permission = "anybody" // no token
	holders manager.Permission = "holders" // a token, whatever its role
)

// route is one method and path, what it needs of whoever comes, and its page:
// for anybody a plain handler, for all others a page about a visit.
type route struct {
	pattern string
	needs   manager.Permission
	open    http.HandlerFunc
	page    func(*visit) error
}

const home = "/admin"

// table are all routes. The console is built from it and from nothing else.
func (s *server) table() []route {
	return []route{
		{pattern: "GET /admin/{$}", needs: anybody, open: http.RedirectHandler(home, http.StatusSeeOther).ServeHTTP},
		{pattern: "GET /admin/login", needs: anybody, open: s.loginForm},
		{pattern: "POST /admin/login", needs: anybody, open: s.login},
		{pattern: "POST /admin/logout", needs: anybody, open: s.logout},

		{pattern: "GET /admin", needs: holders, page: s.overview},
		{pattern: "GET /admin/partners", needs: manager.MayReadPartners, page: s.partners},
		{pattern: "GET /admin/partners/{partner}", needs: manager.MayReadPartners, page: s.partner},
		{pattern: "GET /admin/partners/{partner}/state", needs: manager.MaySuspend, page: s.confirmState},
		{pattern: "POST /admin/partners/{partner}/state", needs: manager.MaySuspend, page: s.changeState},
		{pattern: "GET /admin/partners/{partner}/subscriptions/{subscription}/state", needs: manager.MaySuspend, page: s.confirmState},
		{pattern: "POST /admin/partners/{partner}/subscriptions/{subscription}/state", needs: manager.MaySuspend, page: s.changeState},
		{pattern: "GET /admin/partners/{partner}/keys/{id}/revoke", needs: manager.MayRevokeKeys, page: s.confirmRevoke},
		{pattern: "POST /admin/partners/{partner}/keys/{id}/revoke", needs: manager.MayRevokeKeys, page: s.revokeKey},
		{pattern: "GET /admin/products", needs: manager.MayReadPolicy, page: s.products},
		{pattern: "GET /admin/products/{product}", needs: manager.MayReadPolicy, page: s.product},
		{pattern: "GET /admin/requests", needs: manager.MayReadUsage, page: s.requests},
		{pattern: "GET /admin/explain", needs: manager.MayExplain, page: s.explain},
		{pattern: "GET /admin/proxies", needs: manager.MayReadPolicy, page: s.proxies},
		{pattern: "GET /admin/audit", needs: manager.MayReadAudit, page: s.audit},
		{pattern: "GET /admin/changes/{version}", needs: manager.MayReadPolicy, page: s.changeDone},
	}
}

// guarded puts a route behind what it needs. A route that does not say, or says
// something that does not fit its page, never starts.
func (s *server) guarded(r route) http.Handler {
	switch {
	case r.needs == anybody && r.open != nil && r.page == nil:
		return s.Public(r.open)
	case r.page == nil || r.open != nil:
	case r.needs == holders || r.needs.Known():
		return s.holder(r.needs, r.page)
	}
	panic(fmt.Sprintf("console: the route %s does not say what it needs", r.pattern))
}
