package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// dimensions are what usage can be grouped by.
var dimensions = []manager.UsageDimension{
	manager.ByPartner, manager.ByApplication, manager.ByProduct, manager.ByEnvironment, manager.ByOperation, manager.ByOutcome,
	manager.ByMinute, manager.ByHour, manager.ByDay,
}

// keyParameters are the query parameters that select by a field of UsageKey.
var keyParameters = []string{"partner", "application", "product", "environment", "operation", "outcome"}

func (q *query) usageKey() manager.UsageKey {
	return manager.UsageKey{
		Partner: q.text("partner"), Application: q.text("application"), Product: q.text("product"),
		Environment: q.text("environment"), Operation: q.text("operation"), Outcome: q.text("outcome"),
	}
}

// confineProduct makes a token that is confined to teams ask about one of their products.
func (a *api) confineProduct(c *gin.Context, q *query) error {
	product, err := a.service.ConfinedProduct(principal(c).Grant, q.text("product"))
	if err == nil && product != "" {
		q.values.Set("product", product)
	}
	return err
}

// groupBy reads group_by: dimensions separated by commas, or the parameter several times.
func (q *query) groupBy() []manager.UsageDimension {
	var groups []manager.UsageDimension
	for name := range strings.SplitSeq(strings.Join(q.values["group_by"], ","), ",") {
		d := manager.UsageDimension(strings.TrimSpace(name))
		switch {
		case d == "":
		case !slices.Contains(dimensions, d):
			q.fail("group_by", "has %q; it can be %s", name, joinDimensions())
		case !slices.Contains(groups, d):
			groups = append(groups, d)
		}
	}
	return groups
}

func joinDimensions() string {
	var names []string
	for _, d := range dimensions {
		names = append(names, string(d))
	}
	return strings.Join(names, ", ")
}

func (a *api) usage(c *gin.Context) error {
	q := readQuery(c, append([]string{"from", "to", "group_by"}, keyParameters...)...)
	from, to := q.span(a.now().UTC())
	if err := a.confineProduct(c, q); err != nil {
		return err
	}
	uq := manager.UsageQuery{Match: q.usageKey(), From: from, To: to, GroupBy: q.groupBy()}
	if q.err != nil {
		return q.err
	}
	usage, err := a.service.Usage(c.Request.Context(), uq)
	if err != nil {
		return err
	}
	answer := rest.Usage{From: usage.From, To: usage.To, Rows: []map[string]any{}}
	for _, s := range usage.Sums {
		row := map[string]any{"requests": s.Requests}
		for _, d := range uq.GroupBy {
			row[string(d)] = s.Group[d]
		}
		answer.Rows = append(answer.Rows, row)
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (a *api) requests(c *gin.Context) error {
	q := readQuery(c, append([]string{"from", "to", "request_id", "limit", "cursor"}, keyParameters...)...)
	from, to := q.span(a.now().UTC())
	if err := a.confineProduct(c, q); err != nil {
		return err
	}
	rq := manager.RequestQuery{Match: q.usageKey(), RequestID: q.text("request_id"), From: from, To: to,
		Limit: q.limit(), Cursor: q.text("cursor")}
	if q.err != nil {
		return q.err
	}
	page, err := a.service.Requests(c.Request.Context(), rq)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, answerOf(page.Items, page.Next, answerOfRequest))
	return nil
}

func answerOfRequest(r manager.RequestRecord) rest.Request {
	return rest.Request{
		Time: r.Time, RequestID: r.RequestID, Partner: r.Key.Partner, Application: r.Key.Application,
		Product: r.Key.Product, Environment: r.Key.Environment, Method: r.Method, Path: r.Path,
		Operation: r.Key.Operation, Outcome: r.Key.Outcome, Status: r.Status, PolicyVersion: r.PolicyVersion,
		Credential: r.Credential, Limit: r.Limit, Proxy: r.Proxy,
	}
}

func answerOfProxy(v manager.ProxyView) rest.Proxy {
	return rest.Proxy{ID: v.ID, Node: v.Node, PolicyVersion: v.PolicyVersion,
		PolicyAgeSeconds: v.PolicyAge.Round(time.Millisecond).Seconds(), LastSync: v.LastSync, Live: v.Live}
}

func (a *api) proxies(c *gin.Context) error {
	q := readQuery(c, "limit", "cursor")
	if q.err != nil {
		return q.err
	}
	views, err := a.service.Proxies(c.Request.Context())
	if err != nil {
		return err
	}
	page, next := pageOf(q, views, func(v manager.ProxyView) string { return v.ID })
	if q.err != nil {
		return q.err
	}
	c.JSON(http.StatusOK, answerOf(page, next, answerOfProxy))
	return nil
}
