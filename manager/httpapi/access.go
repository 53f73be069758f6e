package httpapi

import (
	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// What routes need that no token of the admin API gives.
const (
	open    manager.Permission = "open"    // nothing
	proxies manager.Permission = "proxies" // an edge token
)

// checks are what runs before a route that needs a permission; false where
// there is no such permission, so that nobody could ever pass.
func (a *api) checks(needs manager.Permission) ([]gin.HandlerFunc, bool) {
	switch {
	case needs == open:
		return nil, true
	case needs == proxies:
		return []gin.HandlerFunc{noStore, a.handle(a.requireEdge)}, true
	case needs.Known():
		return []gin.HandlerFunc{noStore, a.handle(func(c *gin.Context) error { return a.requireAdmin(c, needs) })}, true
	}
	return nil, false
}
