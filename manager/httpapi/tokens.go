package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

func (a *api) answerOfToken(t manager.AdminToken) rest.Token {
	return rest.Token{Name: t.Name, Role: t.Role, Teams: t.Teams, State: t.TokenState(a.now()), CreatedBy: t.CreatedBy,
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt, LastUsedAt: t.LastUsedAt}
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
	var body rest.TokenRequest
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
