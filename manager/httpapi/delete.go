package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
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
	var list struct {
		Resources []struct {
			Kind    manager.Kind `json:"kind"`
			Partner string       `json:"partner"`
			Name    string       `json:"name"`
		} `json:"resources"`
	}
	if err := invalidJSON(strictDecoder(body).Decode(&list), &list); err != nil {
		return err
	}
	refs := make([]manager.Ref, len(list.Resources))
	for i, r := range list.Resources {
		refs[i] = manager.Ref{Kind: r.Kind, Partner: r.Partner, Name: r.Name}
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
