package portal

import (
	"fmt"
	"net/http"
)

// access is who may use a route. Whose data a member sees there is decided by
// visit.name, which every page reads from.
type access int

const (
	unsaid   access = iota // never: a route says who may use it
	anybody                // without login
	members                // who is logged in and belongs to a partner
	makers                 // developers and admins
	admins                 // admins
	programs               // members, with JSON and problems instead of pages
)

// route is one method and path, who may use it, and its page: for anybody a
// plain handler, for all others a page about a visit.
type route struct {
	pattern string
	access  access
	open    http.Handler
	page    func(*visit) error
}

// table are all routes. The portal is built from it and from nothing else.
func (s *server) table() []route {
	open := func(pattern string, page http.HandlerFunc) route {
		return route{pattern: pattern, access: anybody, open: s.Public(page)}
	}
	return []route{
		{pattern: "GET /static/", access: anybody, open: s.Assets},
		{pattern: "GET /robots.txt", access: anybody, open: http.HandlerFunc(robots)},
		{pattern: "GET /{$}", access: anybody, open: http.RedirectHandler("/products", http.StatusSeeOther)},
		open("GET /docs/errors", s.errorIndex),
		open("GET /docs/errors/{code}", s.errorDoc),
		open("GET /login", s.loginForm),
		open("POST /login", s.login),
		open("POST /logout", s.logout),
		open("GET /invitation", s.invitation),
		open("POST /invitation", s.accept),
		open("POST /theme", s.ChooseTheme),

		{pattern: "GET /catalog.json", access: programs, page: s.catalog},
		{pattern: "POST /partner", access: members, page: s.choosePartner},
		{pattern: "GET /products", access: members, page: s.products},
		{pattern: "GET /products/{name}", access: members, page: s.product},
		{pattern: "GET /products/{name}/openapi.json", access: programs, page: s.openAPI},
		{pattern: "GET /products/{name}/try", access: members, page: s.tryForm},
		{pattern: "POST /products/{name}/try", access: members, page: s.try},
		{pattern: "POST /products/{name}/request", access: makers, page: s.requestAccess},
		{pattern: "GET /applications", access: members, page: s.applications},
		{pattern: "GET /applications/new", access: makers, page: s.newApplication},
		{pattern: "POST /applications", access: makers, page: s.createApplication},
		{pattern: "GET /applications/{application}/rename", access: makers, page: s.renameForm},
		{pattern: "POST /applications/{application}/rename", access: makers, page: s.rename},
		{pattern: "GET /applications/{application}/delete", access: makers, page: s.confirmDelete},
		{pattern: "POST /applications/{application}/delete", access: makers, page: s.deleteApplication},
		{pattern: "GET /applications/{application}/keys/new", access: makers, page: s.newKey},
		{pattern: "POST /applications/{application}/keys", access: makers, page: s.createKey},
		{pattern: "GET /applications/{application}/keys/{id}/rotate", access: makers, page: s.confirmRotate},
		{pattern: "POST /applications/{application}/keys/{id}/rotate", access: makers, page: s.rotateKey},
		{pattern: "GET /applications/{application}/keys/{id}/revoke", access: makers, page: s.confirmRevoke},
		{pattern: "POST /applications/{application}/keys/{id}/revoke", access: makers, page: s.revokeKey},
		{pattern: "GET /usage", access: members, page: s.usage},
		{pattern: "GET /usage.csv", access: members, page: s.usageFile},
		{pattern: "GET /requests", access: members, page: s.requests},
		{pattern: "GET /requests.csv", access: members, page: s.requestsFile},
		{pattern: "GET /members", access: admins, page: s.members},
		{pattern: "GET /members/invite", access: admins, page: s.inviteForm},
		{pattern: "POST /members", access: admins, page: s.invite},
		{pattern: "POST /members/{email}/role", access: admins, page: s.changeRole},
		{pattern: "GET /members/{email}/remove", access: admins, page: s.confirmRemove},
		{pattern: "POST /members/{email}/remove", access: admins, page: s.removeMember},
		{pattern: "POST /invitations/{email}/cancel", access: admins, page: s.cancelInvitation},
		{pattern: "GET /password", access: members, page: s.passwordForm},
		{pattern: "POST /password", access: members, page: s.changePassword},
	}
}

// guarded puts a route behind what its access asks for. A route that does not
// say, or says something that does not fit its page, never starts.
func (s *server) guarded(r route) http.Handler {
	switch {
	case r.access == anybody && r.open != nil && r.page == nil:
		return r.open
	case r.page == nil || r.open != nil:
	case r.access == members:
		return s.member(r.page)
	case r.access == makers:
		return s.maker(r.page)
	case r.access == admins:
		return s.admin(r.page)
	case r.access == programs:
		return s.api(r.page)
	}
	panic(fmt.Sprintf("portal: the route %s does not say who may use it", r.pattern))
}
