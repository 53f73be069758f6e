package client

import (
	"context"
	"maps"
	"net/http"
	"net/url"
)

// listAll follows the pages of a list to its end.
func listAll[T any](ctx context.Context, c *Client, path []string, query url.Values) ([]T, error) {
	asked := url.Values{"limit": {"500"}}
	maps.Copy(asked, query)
	var all []T
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_cursor"`
		}
		if err := c.do(ctx, call{method: http.MethodGet, path: path, query: asked}, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		asked.Set("cursor", page.Next)
	}
}
