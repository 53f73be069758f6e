package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// tokenAnswer is a named token as the API shows it: never its text or its digest.
type tokenAnswer struct {
	Name       string            `json:"name"`
	Role       manager.TokenRole `json:"role"`
	Teams      []string          `json:"teams,omitempty"`
	State      string            `json:"state"`
	CreatedBy  string            `json:"created_by"`
	CreatedAt  time.Time         `json:"created_at"`
	ExpiresAt  *time.Time        `json:"expires_at,omitempty"`
	RevokedAt  *time.Time        `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time        `json:"last_used_at,omitempty"`
}

func (a *api) answerOfToken(t manager.AdminToken) tokenAnswer {
	return tokenAnswer{t.Name, t.Role, t.Teams, t.TokenState(a.now()), t.CreatedBy, t.CreatedAt, t.ExpiresAt, t.RevokedAt, t.LastUsedAt}
}

func (a *api) listTokens(c *gin.Context) error {
	q := readQuery(c, "limit", "cursor")
	if q.err != nil {
		return q.err
	}
	tokens, err := a.service.AdminTokens(c.Request.Context())
	if err != nil {
		return err
	}
	page, next := pageOf(q, tokens, func(t manager.AdminToken) string { return t.Name })
	if q.err != nil {
		return q.err
	}
	c.JSON(http.StatusOK, answerOf(page, next, a.answerOfToken))
	return nil
}

func (a *api) createToken(c *gin.Context) error {
	var body struct {
		Name      string            `json:"name"`
		Role      manager.TokenRole `json:"role"`
		Teams     []string          `json:"teams"`
		ExpiresIn string            `json:"expires_in"`
	}
	if err := firstError(readQuery(c).err, decode(c, &body)); err != nil {
		return err
	}
	expiresIn, err := readDuration("expires_in", body.ExpiresIn, 0)
	if err != nil {
		return err
	}
	if body.ExpiresIn != "" && expiresIn == 0 {
		return errInvalid("expires_in", "is %q; leave it out for a token that never expires", body.ExpiresIn)
	}
	token, err := a.service.CreateAdminToken(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), body.Name, body.Role, body.Teams, expiresIn)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, token)
	return nil
}

func (a *api) revokeToken(c *gin.Context) error {
	if q := readQuery(c); q.err != nil {
		return q.err
	}
	if err := a.service.RevokeAdminToken(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), c.Param("name")); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
