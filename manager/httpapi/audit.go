package httpapi

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// auditAnswer is one change of the audit log.
type auditAnswer struct {
	Time          time.Time         `json:"time"`
	Actor         string            `json:"actor"`
	ActorKind     manager.ActorKind `json:"actor_kind"`
	OnBehalfOf    manager.Owner     `json:"on_behalf_of"`
	Address       string            `json:"address,omitempty"`
	RequestID     string            `json:"request_id,omitempty"`
	Action        string            `json:"action"`
	Kind          manager.Kind      `json:"kind"`
	Partner       string            `json:"partner,omitempty"`
	Name          string            `json:"name"`
	Product       string            `json:"product,omitempty"`
	Before        json.RawMessage   `json:"before,omitempty"`
	After         json.RawMessage   `json:"after,omitempty"`
	PolicyVersion int64             `json:"policy_version,omitempty"`
}

func answerOfEntry(e manager.AuditEntry) auditAnswer {
	return auditAnswer{e.Time, e.Actor, e.ActorKind, e.OnBehalfOf, e.Address, e.RequestID, e.Action, e.Kind, e.Partner, e.Name,
		e.Product, e.Before, e.After, e.PolicyVersion}
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
