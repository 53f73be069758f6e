package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// Principal is who calls the API.
type Principal struct {
	Name  string
	Grant *manager.Grant
}

// bootstrap is who has the token that the manager was started with.
var bootstrap = Principal{Name: manager.BootstrapToken, Grant: &manager.Grant{Role: manager.TokenAdmin}}

// actor is the principal as one who changes resources on behalf of owner.
func (p Principal) actor(owner manager.Owner) manager.Actor {
	return manager.Actor{Name: p.Name, Owner: owner, Grant: p.Grant}
}

// tokens are bearer tokens of the settings. Only digests are kept.
type tokens struct{ digests [][sha256.Size]byte }

func newTokens(values ...string) tokens {
	var t tokens
	for _, v := range values {
		if v != "" {
			t.digests = append(t.digests, sha256.Sum256([]byte(v)))
		}
	}
	return t
}

// find tells whether r carries one of the tokens, in time that does not depend on which.
func (t tokens) find(r *http.Request) bool {
	given := sha256.Sum256([]byte(bearer(r)))
	found := 0
	for _, d := range t.digests {
		found |= subtle.ConstantTimeCompare(given[:], d[:])
	}
	return found == 1
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
	p, err := a.tokenHolder(c)
	if err != nil {
		c.Header("WWW-Authenticate", realm)
		return err
	}
	telemetry.Note(c.Request.Context(), "actor", p.Name)
	if err := p.may(needs); err != nil {
		return err
	}
	c.Set(principalKey, p)
	return nil
}

const realm = `Bearer realm="partnergate"`

// tokenHolder is who has the request's token: the one that the manager was
// started with, or a named one.
func (a *api) tokenHolder(c *gin.Context) (Principal, error) {
	if a.admin.find(c.Request) {
		return bootstrap, nil
	}
	given := bearer(c.Request)
	if given == "" {
		return Principal{}, &manager.Error{Code: manager.CodeUnauthorized,
			Message: "the admin API needs the header Authorization: Bearer with a token: the manager's own (PARTNERGATE_ADMIN_TOKEN) or a named one"}
	}
	token, err := a.service.AdminTokenOf(c.Request.Context(), given)
	if err != nil {
		return Principal{}, err
	}
	return Principal{token.Name, &manager.Grant{Role: token.Role, Teams: token.Teams}}, nil
}

func (a *api) requireEdge(c *gin.Context) error {
	if a.edge.find(c.Request) {
		return nil
	}
	c.Header("WWW-Authenticate", realm)
	return &manager.Error{Code: manager.CodeUnauthorized,
		Message: "the edge API needs the header Authorization: Bearer with one of the manager's edge tokens (PARTNERGATE_EDGE_TOKEN)"}
}

// principal is who calls; only behind requireAdmin.
func principal(c *gin.Context) Principal {
	p, _ := c.MustGet(principalKey).(Principal)
	return p
}
