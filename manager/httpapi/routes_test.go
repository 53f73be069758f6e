package httpapi

import (
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/manager"
)

// A route that does not say what it needs, or says something that no role has, never starts.
func TestRouteWithoutPermission(t *testing.T) {
	for _, needs := range []manager.Permission{"", "rule the world"} {
		t.Run(string(needs), func(t *testing.T) {
			defer func() {
				if said, ok := recover().(string); !ok || !strings.Contains(said, "GET /forgotten") {
					t.Errorf("it started: %v", said)
				}
			}()
			a := &api{}
			a.register(gin.New(), route{get, "/forgotten", needs, a.readyz})
		})
	}
}

// The router has what the table has, and nothing beside it.
func TestRouterIsTheTable(t *testing.T) {
	a, registry := &api{}, prometheus.NewRegistry()
	table := map[string]manager.Permission{}
	for _, r := range a.routes(registry) {
		key := r.method + " " + r.path
		if table[key] != "" {
			t.Errorf("%s stands twice", key)
		}
		table[key] = r.needs
	}
	routed := a.router(registry).Routes()
	for _, r := range routed {
		if table[r.Method+" "+r.Path] == "" {
			t.Errorf("%s %s is routed past the table", r.Method, r.Path)
		}
		needs := table[r.Method+" "+r.Path]
		if strings.HasPrefix(r.Path, "/api/") && r.Path != "/api/v1/openapi.json" && (needs == open || needs == proxies) {
			t.Errorf("%s %s needs no admin token", r.Method, r.Path)
		}
	}
	if len(routed) != len(table) {
		t.Errorf("%d routes, %d in the table", len(routed), len(table))
	}
}
