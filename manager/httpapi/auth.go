package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// Principal is who calls the API.
type Principal struct {
	Name string
	Role manager.TokenRole
}

// bootstrap is who has the token that the manager was started with.
var bootstrap = Principal{Name: "bootstrap", Role: manager.TokenAdmin}

// actor is the principal as one who changes resources on its own behalf.
func (p Principal) actor() manager.Actor {
	return manager.Actor{Name: p.Name, Owner: manager.OwnerAPI}
}

// tokens are bearer tokens that stand for one principal. Only digests are kept.
type tokens struct {
	principal Principal
	digests   [][sha256.Size]byte
}

func newTokens(p Principal, values ...string) tokens {
	t := tokens{principal: p}
	for _, v := range values {
		if v != "" {
			t.digests = append(t.digests, sha256.Sum256([]byte(v)))
		}
	}
	return t
}

// find tells whether r carries one of the tokens, in time that does not depend on which.
func (t tokens) find(r *http.Request) (Principal, bool) {
	given := sha256.Sum256([]byte(bearer(r)))
	found := 0
	for _, d := range t.digests {
		found |= subtle.ConstantTimeCompare(given[:], d[:])
	}
	return t.principal, found == 1
}

// bearer is the token of the only Authorization header, or "".
func bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

const principalKey = "partnergate.principal"

// requireAdmin lets pass whose token has a role with the permission.
func (a *api) requireAdmin(c *gin.Context, needs permission) error {
	if err := a.require(c, a.admin, "the admin API needs the header Authorization: Bearer with the manager's admin token (PARTNERGATE_ADMIN_TOKEN) or a named token"); err != nil {
		return err
	}
	if p := principal(c); !slices.Contains(granted[p.Role], needs) {
		return &manager.Error{Code: manager.CodeForbidden,
			Message: fmt.Sprintf("the token %s has the role %s, which does not include this (%s)", p.Name, p.Role, needs)}
	}
	return nil
}

func (a *api) requireEdge(c *gin.Context) error {
	return a.require(c, a.edge, "the edge API needs the header Authorization: Bearer with one of the manager's edge tokens (PARTNERGATE_EDGE_TOKEN)")
}

func (a *api) require(c *gin.Context, t tokens, detail string) error {
	p, ok := t.find(c.Request)
	if !ok {
		c.Header("WWW-Authenticate", `Bearer realm="partnergate"`)
		return &manager.Error{Code: manager.CodeUnauthorized, Message: detail}
	}
	c.Set(principalKey, p)
	return nil
}

// principal is who calls; only behind require.
func principal(c *gin.Context) Principal {
	p, _ := c.MustGet(principalKey).(Principal)
	return p
}
