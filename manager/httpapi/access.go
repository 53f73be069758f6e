package httpapi

import (
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// permission is what a route needs of whoever calls it.
type permission string

// The permissions. Which role has which stands in granted, and nowhere else.
const (
	open    permission = "open"    // anybody
	proxies permission = "proxies" // an edge token

	readPolicy   permission = "read policy"   // environments, products, plans, proxies
	readPartners permission = "read partners" // partners and what they own, without secrets
	readUsage    permission = "read usage"    // usage and requests
	readAudit    permission = "read audit"
	readTokens   permission = "read tokens"
	writePolicy  permission = "write policy"
	suspend      permission = "suspend" // write a partner or a subscription; for some only its state
	writeKeys    permission = "write keys"
	revokeKeys   permission = "revoke keys"
	writeMembers permission = "write members"
	writeTokens  permission = "write tokens"
)

// granted are the permissions of each role of a token.
var granted = map[manager.TokenRole][]permission{
	manager.TokenAdmin: {readPolicy, readPartners, readUsage, readAudit, readTokens,
		writePolicy, suspend, writeKeys, revokeKeys, writeMembers, writeTokens},
	manager.TokenOperator: {readPolicy, readPartners, readUsage, readAudit,
		writePolicy, suspend, writeKeys, revokeKeys, writeMembers},
	manager.TokenAuditor: {readPolicy, readPartners, readUsage, readAudit, readTokens},
	manager.TokenSupport: {readPartners, readUsage, suspend, revokeKeys},
}

// checks are what runs before a route that needs a permission; false where
// there is no such permission, so that nobody could ever pass.
func (a *api) checks(needs permission) ([]gin.HandlerFunc, bool) {
	switch {
	case needs == open:
		return nil, true
	case needs == proxies:
		return []gin.HandlerFunc{noStore, a.handle(a.requireEdge)}, true
	case slices.Contains(granted[manager.TokenAdmin], needs):
		return []gin.HandlerFunc{noStore, a.handle(func(c *gin.Context) error { return a.requireAdmin(c, needs) })}, true
	}
	return nil, false
}
