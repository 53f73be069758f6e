package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/partnergate/partnergate/manager/rest"
)

// Explain asks whether a request would be let through; query has the parameters of GET /api/v1/explain.
func (c *Client) Explain(ctx context.Context, query url.Values) (*rest.Explanation, error) {
	answer := &rest.Explanation{}
	return answer, c.do(ctx, call{method: http.MethodGet, path: []string{"explain"}, query: query}, answer)
}

// Catalog asks what a partner can call in an environment.
func (c *Client) Catalog(ctx context.Context, partner, environment string) (*rest.Catalog, error) {
	answer := &rest.Catalog{}
	query := url.Values{"environment": {environment}}
	return answer, c.do(ctx, call{method: http.MethodGet, path: []string{"partners", partner, "catalog"}, query: query}, answer)
}
