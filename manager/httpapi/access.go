package httpapi

import (
	"fmt"
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
	explain      permission = "explain" // decisions on requests that nobody sent
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
	manager.TokenAdmin: {readPolicy, readPartners, readUsage, explain, readAudit, readTokens,
		writePolicy, suspend, writeKeys, revokeKeys, writeMembers, writeTokens},
	manager.TokenOperator: {readPolicy, readPartners, readUsage, explain, readAudit,
		writePolicy, suspend, writeKeys, revokeKeys, writeMembers},
	manager.TokenAuditor: {readPolicy, readPartners, readUsage, explain, readAudit, readTokens},
	manager.TokenSupport: {readPartners, readUsage, explain, suspend, revokeKeys},
}

// unconfined are the permissions that a token confined to teams never has: they
// concern partners as a whole, or tell of products of others.
var unconfined = []permission{explain, readTokens, writeKeys, revokeKeys, writeMembers, writeTokens}

// may refuses what the principal's token does not have.
func (p Principal) may(needs permission) error {
	if !slices.Contains(granted[p.Grant.Role], needs) {
		return &manager.Error{Code: manager.CodeForbidden,
			Message: fmt.Sprintf("the token %s has the role %s, which does not include to %s", p.Name, p.Grant.Role, needs)}
	}
	if p.Grant.Confined() && slices.Contains(unconfined, needs) {
		return &manager.Error{Code: manager.CodeForbidden,
			Message: fmt.Sprintf("the token %s is confined to teams, which does not include to %s", p.Name, needs)}
	}
	return nil
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
