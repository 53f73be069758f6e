package portal

import (
	"net/http"
	"testing"
)

func TestEveryPageRenders(t *testing.T) {
	e := newEstate(t)
	e.traffic(e.key("acme", "checkout", "sandbox"))
	b := e.loggedIn(acmeAdmin)
	for _, path := range []string{"/products", "/products?environment=production", "/products/payments", "/applications", "/applications/new", "/applications/checkout/keys/new", "/usage", "/usage?range=30d", "/requests", "/docs/errors", "/docs/errors/limit_exceeded"} {
		if r := b.get(path); r.status != http.StatusOK {
			t.Errorf("%s: status %d\n%s", path, r.status, r.body)
		}
	}
}
