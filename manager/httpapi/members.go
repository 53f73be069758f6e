package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

func (a *api) listMembers(c *gin.Context) error {
	q := readQuery(c, "limit", "cursor")
	if q.err != nil {
		return q.err
	}
	if err := a.partnerExists(c, c.Param("partner")); err != nil {
		return err
	}
	members, err := a.service.Roster(c.Request.Context(), c.Param("partner"))
	if err != nil {
		return err
	}
	page, next := pageOf(q, members, func(m manager.Member) string { return m.Email })
	if q.err != nil {
		return q.err
	}
	c.JSON(http.StatusOK, answerOf(page, next, answerOfMember))
	return nil
}

func answerOfMember(m manager.Member) rest.Member {
	answer := rest.Member{Email: m.Email, Role: m.Role, State: m.State, CreatedAt: m.CreatedAt, LastLoginAt: m.LastLoginAt}
	if i := m.Invitation; i != nil {
		answer.Invitation = &rest.Invitation{InvitedBy: i.InvitedBy, ExpiresAt: i.ExpiresAt}
	}
	return answer
}

func (a *api) inviteMember(c *gin.Context) error {
	var body rest.MemberRequest
	if err := firstError(readQuery(c).err, decode(c, &body)); err != nil {
		return err
	}
	if body.Role == "" {
		body.Role = manager.RoleDeveloper
	}
	by := principal(c)
	m, link, err := a.service.Enroll(c.Request.Context(), by.Actor(manager.OwnerAPI), c.Param("partner"), body.Email, body.Role)
	if err != nil {
		return err
	}
	answer := answerOfMember(*m)
	if link != nil {
		answer.Invitation = &rest.Invitation{Link: link.Link(a.publicURL), InvitedBy: by.Name, ExpiresAt: link.ExpiresAt}
	}
	c.JSON(http.StatusCreated, answer)
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
	var body rest.PasswordRequest
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

// unlockLogin forgets failed logins, so that who is throttled can try again at once.
func (a *api) unlockLogin(c *gin.Context) error {
	var body rest.Unlock
	if err := firstError(readQuery(c).err, decode(c, &body)); err != nil {
		return err
	}
	unlock, of := a.service.UnlockMember, body.Email
	switch {
	case body.Email != "" && body.Address != "", body.Email == "" && body.Address == "":
		return errInvalid("email", "or address: give one of the two, to say whose failed logins to forget, or those from where")
	case body.Address != "":
		unlock, of = a.service.UnlockAddress, body.Address
	}
	failures, err := unlock(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), of)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, rest.Unlocked{Failures: failures})
	return nil
}
