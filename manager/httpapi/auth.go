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
func (a *api) requireAdmin(c *gin.Context, needs manager.Permission) error {
	p, err := a.tokenHolder(c)
	if err != nil {
		c.Header("WWW-Authenticate", realm)
		return err
	}
	telemetry.Note(c.Request.Context(), "actor", p.Name)
	if err := p.Needs(needs); err != nil {
		return err
	}
	c.Set(principalKey, p)
	return nil
}

const realm = `Bearer realm="partnergate"`

// tokenHolder is who has the request's token: the one that the manager was
// started with, or a named one.
func (a *api) tokenHolder(c *gin.Context) (manager.Principal, error) {
	given := bearer(c.Request)
	if given == "" {
		return manager.Principal{}, &manager.Error{Code: manager.CodeUnauthorized,
			Message: "the admin API needs the header Authorization: Bearer with a token: the manager's own (PARTNERGATE_ADMIN_TOKEN) or a named one"}
	}
	return a.admission.Principal(c.Request.Context(), given)
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
func principal(c *gin.Context) manager.Principal {
	p, _ := c.MustGet(principalKey).(manager.Principal)
	return p
}
