package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// memberAnswer is a member as the API shows it.
type memberAnswer struct {
	Email     string       `json:"email"`
	Role      manager.Role `json:"role"`
	CreatedAt time.Time    `json:"created_at,omitzero"`
}

func (a *api) listMembers(c *gin.Context) error {
	q := readQuery(c, "limit", "cursor")
	if q.err != nil {
		return q.err
	}
	if err := a.partnerExists(c, c.Param("partner")); err != nil {
		return err
	}
	members, err := a.service.Members(c.Request.Context(), c.Param("partner"))
	if err != nil {
		return err
	}
	page, next := pageOf(q, members, func(m manager.Membership) string { return m.Email })
	if q.err != nil {
		return q.err
	}
	c.JSON(http.StatusOK, answerOf(page, next, func(m manager.Membership) memberAnswer { return memberAnswer{m.Email, m.Role, m.CreatedAt} }))
	return nil
}

func (a *api) inviteMember(c *gin.Context) error {
	var body struct {
		Email string       `json:"email"`
		Role  manager.Role `json:"role"`
	}
	if err := firstError(readQuery(c).err, decode(c, &body)); err != nil {
		return err
	}
	if body.Role == "" {
		body.Role = manager.RoleDeveloper
	}
	err := a.service.InviteMember(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), c.Param("partner"), body.Email, body.Role)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, memberAnswer{Email: body.Email, Role: body.Role})
	return nil
}

func (a *api) removeMember(c *gin.Context) error {
	if q := readQuery(c); q.err != nil {
		return q.err
	}
	if err := a.service.RemoveMember(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), c.Param("partner"), c.Param("email")); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (a *api) setPassword(c *gin.Context) error {
	var body struct {
		Password string `json:"password"`
	}
	if err := firstError(readQuery(c).err, decodeWithin(c, maxPasswordBody, &body)); err != nil {
		return err
	}
	err := a.service.SetPassword(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), c.Param("partner"), c.Param("email"), body.Password)
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
