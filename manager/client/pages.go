package client

import (
	"context"
	"maps"
	"net/http"
	"net/url"

	"github.com/partnergate/partnergate/manager/rest"
)

// listAll follows the pages of a list to its end.
func listAll[T any](ctx context.Context, c *Client, path []string, query url.Values) ([]T, error) {
	asked := url.Values{"limit": {"500"}}
	maps.Copy(asked, query)
	var all []T
	for {
		var page rest.Page[T]
		if err := c.do(ctx, call{method: http.MethodGet, path: path, query: asked}, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all, nil
		}
		asked.Set("cursor", page.NextCursor)
	}
}
