package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

func answerOfEntry(e manager.AuditEntry) rest.AuditEntry {
	return rest.AuditEntry{Time: e.Time, Actor: e.Actor, ActorKind: e.ActorKind, OnBehalfOf: e.OnBehalfOf, Address: e.Address,
		RequestID: e.RequestID, Action: e.Action, Kind: e.Kind, Partner: e.Partner, Name: e.Name, Product: e.Product,
		Before: e.Before, After: e.After, PolicyVersion: e.PolicyVersion}
}

// audit lists who changed what. Unlike usage it has no default span: what was
// changed is looked for in all that is kept.
func (a *api) audit(c *gin.Context) error {
	q := readQuery(c, "actor", "kind", "partner", "name", "from", "to", "limit", "cursor")
	now := a.now().UTC()
	aq := manager.AuditQuery{
		Actor: q.text("actor"), Kind: manager.Kind(q.text("kind")), Partner: q.text("partner"), Name: q.text("name"),
		From: q.moment("from", now, time.Time{}), To: q.moment("to", now, time.Time{}),
		Limit: q.limit(), Cursor: q.text("cursor"), Products: a.service.ProductsOf(principal(c).Grant),
	}
	if q.err != nil {
		return q.err
	}
	page, err := a.service.Audit(c.Request.Context(), aq)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, answerOf(page.Items, page.Next, answerOfEntry))
	return nil
}
