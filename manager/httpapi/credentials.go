package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// defaultOverlap is how long a rotated key stays valid where nothing is said.
const defaultOverlap = 24 * time.Hour

func answerOfCredential(v manager.CredentialView) rest.Key {
	return rest.Key{
		ID: v.Metadata.Name, Partner: v.Metadata.Partner, Application: v.Application, Environment: v.Environment,
		State: v.State, CreatedAt: v.Metadata.CreatedAt, ExpiresAt: v.ExpiresAt, RevokedAt: v.RevokedAt,
		LastUsedAt: v.LastUsedAt, RotatedTo: v.RotatedTo, RotatedFrom: v.RotatedFrom,
	}
}

func (a *api) createCredential(c *gin.Context) error {
	var body rest.KeyRequest
	if err := firstError(readQuery(c).err, decode(c, &body)); err != nil {
		return err
	}
	if body.Environment == "" {
		return errInvalid("environment", "is missing; a key belongs to exactly one environment, such as sandbox")
	}
	expiresIn, err := readDuration("expires_in", body.ExpiresIn, 0)
	if err != nil {
		return err
	}
	if body.ExpiresIn != "" && expiresIn == 0 {
		return errInvalid("expires_in", "is %q; leave it out for a key that never expires", body.ExpiresIn)
	}
	key, err := a.service.CreateCredential(c.Request.Context(), principal(c).Actor(manager.OwnerAPI),
		c.Param("partner"), c.Param("name"), body.Environment, expiresIn)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, key)
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *api) listCredentials(c *gin.Context) error {
	q := readQuery(c, "limit", "cursor")
	if q.err != nil {
		return q.err
	}
	if err := a.partnerExists(c, c.Param("partner")); err != nil {
		return err
	}
	if c.Param("name") != "" {
		if _, err := a.service.Resource(c.Request.Context(), refOf(c, manager.KindApplication)); err != nil {
			return err
		}
	}
	views, err := a.service.Credentials(c.Request.Context(), c.Param("partner"), c.Param("name"))
	if err != nil {
		return err
	}
	page, next := pageOf(q, views, newestFirst)
	if q.err != nil {
		return q.err
	}
	c.JSON(http.StatusOK, answerOf(page, next, answerOfCredential))
	return nil
}

// newestFirst orders texts as Service.Credentials orders keys.
func newestFirst(v manager.CredentialView) string {
	return fmt.Sprintf("%016x %s", uint64(math.MaxInt64-v.Metadata.CreatedAt.UnixMilli()), v.Metadata.Name)
}

// ownedCredential is the credential of the path; one of another partner or
// application than the path names does not exist there.
func (a *api) ownedCredential(c *gin.Context) (*manager.Credential, error) {
	cred, err := a.service.Credential(c.Request.Context(), c.Param("id"))
	if err != nil {
		return nil, err
	}
	partner, application := c.Param("partner"), c.Param("name")
	if partner != "" && partner != cred.Metadata.Partner || application != "" && application != cred.Application {
		return nil, &manager.Error{Code: manager.CodeNotFound,
			Message: "there is no key " + c.Param("id") + " here; list the keys of the partner to see its ids"}
	}
	return cred, nil
}

func (a *api) getCredential(c *gin.Context) error {
	if q := readQuery(c); q.err != nil {
		return q.err
	}
	cred, err := a.ownedCredential(c)
	if err != nil {
		return err
	}
	views, err := a.service.Credentials(c.Request.Context(), cred.Metadata.Partner, cred.Application)
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Metadata.Name == cred.Metadata.Name {
			c.Header("ETag", etag(v.Metadata.Revision))
			if notModified(c.Request, v.Metadata.Revision) {
				c.Status(http.StatusNotModified)
				return nil
			}
			c.JSON(http.StatusOK, answerOfCredential(v))
			return nil
		}
	}
	return errNoRoute(c.Request) // deleted between the two reads
}

// meets checks the request's preconditions against a key that exists.
func meets(c *gin.Context, cred *manager.Credential) error {
	e, err := readExpectation(c.Request)
	if err == nil {
		_, err = e.expected(cred.Metadata.Revision)
	}
	return err
}

func (a *api) rotateCredential(c *gin.Context) error {
	var body rest.Rotation
	if err := firstError(readQuery(c).err, decode(c, &body)); err != nil {
		return err
	}
	overlap, err := readDuration("overlap", body.Overlap, defaultOverlap)
	if err != nil {
		return err
	}
	cred, err := a.ownedCredential(c)
	if err != nil {
		return err
	}
	if err := meets(c, cred); err != nil {
		return err
	}
	key, err := a.service.RotateCredential(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), cred.Metadata.Name, overlap)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, key)
	return nil
}

func (a *api) revokeCredential(c *gin.Context) error {
	if q := readQuery(c); q.err != nil {
		return q.err
	}
	cred, err := a.ownedCredential(c)
	if err != nil {
		return err
	}
	if err := meets(c, cred); err != nil {
		return err
	}
	version, err := a.service.RevokeCredential(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), cred.Metadata.Name)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, rest.Version{PolicyVersion: version})
	return nil
}
