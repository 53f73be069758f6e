package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// pluralKind is a kind with its name in paths, and what reading and replacing one needs.
type pluralKind struct {
	plural      string
	kind        manager.Kind
	read, write manager.Permission
}

var (
	topKinds = []pluralKind{
		{"environments", manager.KindEnvironment, manager.MayReadPolicy, manager.MayWritePolicy},
		{"products", manager.KindProduct, manager.MayReadPolicy, manager.MayWritePolicy},
		{"plans", manager.KindPlan, manager.MayReadPolicy, manager.MayWritePolicy},
		{"partners", manager.KindPartner, manager.MayReadPartners, manager.MaySuspend},
	}
	partnerKinds = []pluralKind{
		{"applications", manager.KindApplication, manager.MayReadPartners, manager.MayWritePolicy},
		{"subscriptions", manager.KindSubscription, manager.MayReadPartners, manager.MaySuspend},
	}
)

func refOf(c *gin.Context, kind manager.Kind) manager.Ref {
	if kind == manager.KindPartner {
		return manager.Ref{Kind: kind, Name: c.Param("partner")}
	}
	return manager.Ref{Kind: kind, Partner: c.Param("partner"), Name: c.Param("name")}
}

func (a *api) list(kind manager.Kind) func(*gin.Context) error {
	return func(c *gin.Context) error {
		q := readQuery(c, "q", "limit", "cursor")
		limit := q.limit()
		if q.err != nil {
			return q.err
		}
		partner := c.Param("partner")
		if err := a.partnerExists(c, partner); err != nil {
			return err
		}
		page, err := a.service.Find(c.Request.Context(), manager.Query{
			Kind: kind, Partner: partner, Text: q.text("q"), Within: principal(c).Grant, Limit: limit, Cursor: q.text("cursor"),
		})
		if err != nil {
			return err
		}
		answer := rest.Page[json.RawMessage]{Items: []json.RawMessage{}, NextCursor: page.Next}
		for _, r := range page.Items {
			body, err := manager.MarshalResource(r)
			if err != nil {
				return err
			}
			answer.Items = append(answer.Items, body)
		}
		c.JSON(http.StatusOK, answer)
		return nil
	}
}

// partnerExists is nil for an empty name, which asks for no partner.
func (a *api) partnerExists(c *gin.Context, name string) error {
	if name == "" {
		return nil
	}
	_, err := a.service.Resource(c.Request.Context(), manager.Ref{Kind: manager.KindPartner, Name: name})
	return err
}

func (a *api) get(kind manager.Kind) func(*gin.Context) error {
	return func(c *gin.Context) error {
		if q := readQuery(c); q.err != nil {
			return q.err
		}
		r, err := a.service.Resource(c.Request.Context(), refOf(c, kind))
		if err != nil {
			return err
		}
		if !a.service.Sees(principal(c).Grant, r) {
			return &manager.Error{Code: manager.CodeNotFound, Message: "there is no such " + strings.ToLower(string(kind)) + " of the teams that the token is confined to"}
		}
		if revision := r.Meta().Revision; notModified(c.Request, revision) {
			c.Header("ETag", etag(revision))
			c.Status(http.StatusNotModified)
			return nil
		}
		return answerResource(c, http.StatusOK, r)
	}
}

func answerResource(c *gin.Context, status int, r manager.Resource) error {
	body, err := manager.MarshalResource(r)
	if err != nil {
		return err
	}
	c.Header("ETag", etag(r.Meta().Revision))
	c.Data(status, "application/json; charset=utf-8", body)
	return nil
}

func (a *api) put(kind manager.Kind) func(*gin.Context) error {
	limit := int64(maxBody)
	if kind == manager.KindProduct {
		limit = maxPolicy
	}
	return func(c *gin.Context) error {
		if q := readQuery(c); q.err != nil {
			return q.err
		}
		if kind != manager.KindPartner { // else it may be about to begin
			if err := a.partnerExists(c, c.Param("partner")); err != nil {
				return err
			}
		}
		expected, err := a.expected(c, kind)
		if err != nil {
			return err
		}
		r, err := readNamed(c, kind, limit)
		if err != nil {
			return err
		}
		stored, action, err := a.service.Put(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), r, expected)
		if err != nil {
			return err
		}
		status := http.StatusOK
		if action == manager.ActionCreated {
			status = http.StatusCreated
			c.Header("Location", c.Request.URL.Path)
		}
		return answerResource(c, status, stored)
	}
}

// expected turns the request's preconditions into the revision that the domain is to find.
func (a *api) expected(c *gin.Context, kind manager.Kind) (int64, error) {
	e, err := readExpectation(c.Request)
	if err != nil || e.any() {
		return manager.AnyRevision, err
	}
	stored, err := a.service.Resource(c.Request.Context(), refOf(c, kind))
	if manager.CodeOf(err) == manager.CodeNotFound {
		return e.expected(0)
	}
	if err != nil {
		return 0, err
	}
	if !a.service.Sees(principal(c).Grant, stored) {
		return manager.AnyRevision, nil // the domain refuses it, and tells nothing of its revision
	}
	return e.expected(stored.Meta().Revision)
}

// readNamed reads the resource of a PUT. Name and partner are the path's; the
// body may leave them out, but not say others.
func readNamed(c *gin.Context, kind manager.Kind, limit int64) (manager.Resource, error) {
	body, err := readJSON(c, limit)
	if err != nil {
		return nil, err
	}
	r, err := manager.ReadResource(kind, body)
	if err != nil {
		return nil, err
	}
	ref, meta := refOf(c, kind), r.Meta()
	if meta.Name == "" {
		meta.Name = ref.Name
	}
	if meta.Partner == "" {
		meta.Partner = ref.Partner
	}
	if meta.Name != ref.Name {
		return nil, errInvalid("metadata.name", "is %q, but the path says %q; make them the same", meta.Name, ref.Name)
	}
	if meta.Partner != ref.Partner {
		return nil, errInvalid("metadata.partner", "is %q, but the path says %q; make them the same", meta.Partner, ref.Partner)
	}
	return r, nil
}

func (a *api) remove(kind manager.Kind) func(*gin.Context) error {
	return func(c *gin.Context) error {
		if q := readQuery(c); q.err != nil {
			return q.err
		}
		expected, err := a.expected(c, kind)
		if err != nil {
			return err
		}
		version, err := a.service.Delete(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), refOf(c, kind), expected)
		if err != nil {
			return err
		}
		c.JSON(http.StatusOK, rest.Version{PolicyVersion: version})
		return nil
	}
}
