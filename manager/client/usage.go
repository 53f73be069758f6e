package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/partnergate/partnergate/manager/rest"
)

// Usage asks for usage; query has the parameters of GET /api/v1/usage. Each
// row has the grouped fields and "requests".
func (c *Client) Usage(ctx context.Context, query url.Values) (*rest.Usage, error) {
	answer := &rest.Usage{}
	return answer, c.do(ctx, call{method: http.MethodGet, path: []string{"usage"}, query: query}, answer)
}

// Requests asks for logged requests; query has the parameters of GET /api/v1/requests.
func (c *Client) Requests(ctx context.Context, query url.Values) (*rest.Page[rest.Request], error) {
	page := &rest.Page[rest.Request]{}
	return page, c.do(ctx, call{method: http.MethodGet, path: []string{"requests"}, query: query}, page)
}
