package manager

import (
	"slices"
	"strings"
)

// Permission is what a request of the admin API or of the console needs of the
// token that it comes with.
type Permission string

// The permissions. Which role has which stands in granted, and nowhere else.
const (
	MayReadPolicy   Permission = "read policy"   // environments, products, plans, proxies
	MayReadPartners Permission = "read partners" // partners and what they own, without secrets
	MayReadUsage    Permission = "read usage"    // usage and requests
	MayReadAudit    Permission = "read audit"
	MayExplain      Permission = "explain" // decisions on requests that nobody sent
	MayReadTokens   Permission = "read tokens"
	MayWritePolicy  Permission = "write policy"
	MaySuspend      Permission = "suspend" // write a partner or a subscription; for some only its state
	MayWriteKeys    Permission = "write keys"
	MayRevokeKeys   Permission = "revoke keys"
	MayWriteMembers Permission = "write members"
	MayUnlockLogins Permission = "unlock logins"
	MayWriteTokens  Permission = "write tokens"
)

// granted are the permissions of each role of a token.
var granted = map[TokenRole][]Permission{
	TokenAdmin: {MayReadPolicy, MayReadPartners, MayReadUsage, MayExplain, MayReadAudit, MayReadTokens,
		MayWritePolicy, MaySuspend, MayWriteKeys, MayRevokeKeys, MayWriteMembers, MayUnlockLogins, MayWriteTokens},
	TokenOperator: {MayReadPolicy, MayReadPartners, MayReadUsage, MayExplain, MayReadAudit,
		MayWritePolicy, MaySuspend, MayWriteKeys, MayRevokeKeys, MayWriteMembers, MayUnlockLogins},
	TokenAuditor: {MayReadPolicy, MayReadPartners, MayReadUsage, MayExplain, MayReadAudit, MayReadTokens},
	TokenSupport: {MayReadPartners, MayReadUsage, MayExplain, MaySuspend, MayRevokeKeys, MayUnlockLogins},
}

// unconfined are the permissions that a token confined to teams never has: they
// concern partners as a whole, or tell of products of others.
var unconfined = []Permission{MayExplain, MayReadTokens, MayWriteKeys, MayRevokeKeys, MayWriteMembers, MayUnlockLogins, MayWriteTokens}

// Known tells whether there is such a permission: whether anybody could ever have it.
func (p Permission) Known() bool { return slices.Contains(granted[TokenAdmin], p) }

// Has tells whether the grant includes a permission.
func (g *Grant) Has(p Permission) bool {
	return slices.Contains(granted[g.Role], p) && (!g.Confined() || !slices.Contains(unconfined, p))
}

// Principal is who holds a token of the admin API.
type Principal struct {
	Name  string
	Grant *Grant
}

// Actor is the principal as one who changes things on behalf of owner.
func (p Principal) Actor(owner Owner) Actor {
	return Actor{Name: p.Name, Owner: owner, Grant: p.Grant}
}

// Needs refuses what the principal's token does not have.
func (p Principal) Needs(permission Permission) error {
	switch {
	case p.Grant.Has(permission):
		return nil
	case slices.Contains(granted[p.Grant.Role], permission):
		return forbidden("the token %s is confined to teams, which does not include to %s", p.Name, permission)
	}
	return forbidden("the token %s has the role %s, which does not include to %s", p.Name, p.Grant.Role, permission)
}

// ConfinedProduct is the product that a question about usage or requests is
// about: the one given, "" for all. A grant that is confined to teams asks about
// one of their products, and names it unless there is one only.
func (s *Service) ConfinedProduct(g *Grant, given string) (string, error) {
	products := s.ProductsOf(g)
	switch {
	case products == nil || slices.Contains(products, given):
		return given, nil
	case given == "" && len(products) == 1:
		return products[0], nil
	case given == "":
		return "", invalid("product", "is missing; the token is confined to teams, so name one of their products: "+strings.Join(products, ", "))
	}
	return "", &Error{Code: CodeNotFound, Message: "there is no such product of the teams that the token is confined to"}
}
