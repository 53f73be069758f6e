package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/manager"
)

// Route is one route of the table, for tests from outside.
type Route struct {
	Method, Path string
	Needs        string
	Open         bool // needs no admin token
}

// Routes are all routes that New serves.
func Routes() []Route {
	var all []Route
	for _, r := range (&api{}).routes(prometheus.NewRegistry()) {
		all = append(all, Route{r.method, r.path, string(r.needs), r.needs == open || r.needs == proxies})
	}
	return all
}

// Granted tells whether a token of the role, confined to teams or not, has a route's permission.
func Granted(role manager.TokenRole, confined bool, needs string) bool {
	grant := manager.Grant{Role: role}
	if confined {
		grant.Teams = []string{"a-team"}
	}
	return grant.Has(manager.Permission(needs))
}
