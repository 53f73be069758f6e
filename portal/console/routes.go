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
		{pattern: "GET /admin/login", needs: anybody, open: s.loginForm},
		{pattern: "POST /admin/login", needs: anybody, open: s.login},
		{pattern: "POST /admin/logout", needs: anybody, open: s.logout},

		{pattern: "GET /admin/partners", needs: manager.MayReadPartners, page: s.partners},
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
