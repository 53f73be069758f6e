package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// deleteAll deletes the resources that a body names, all or nothing.
func (a *api) deleteAll(c *gin.Context) error {
	q := readQuery(c, "dry_run")
	dryRun := q.flag("dry_run")
	if q.err != nil {
		return q.err
	}
	body, err := readJSON(c, maxPolicy)
	if err != nil {
		return err
	}
	var list rest.Deletion
	if err := invalidJSON(strictDecoder(body).Decode(&list), &list); err != nil {
		return err
	}
	refs := make([]manager.Ref, len(list.Resources))
	for i, r := range list.Resources {
		refs[i] = manager.Ref(r)
	}
	result, err := a.service.DeleteAll(c.Request.Context(), principal(c).Actor(manager.OwnerAPI), refs, dryRun)
	if err != nil {
		return err
	}
	if result.Results == nil {
		result.Results = []manager.ApplyEntry{}
	}
	c.JSON(http.StatusOK, result)
	return nil
}
