package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Usage asks for usage; query has the parameters of GET /api/v1/usage. Each
// row has the grouped fields and "requests".
func (c *Client) Usage(ctx context.Context, query url.Values) (*Usage, error) {
	answer := &Usage{}
	return answer, c.do(ctx, call{method: http.MethodGet, path: []string{"usage"}, query: query}, answer)
}

// Usage is the answer to a question about usage.
type Usage struct {
	From time.Time        `json:"from"`
	To   time.Time        `json:"to"`
	Rows []map[string]any `json:"rows"`
}

// Request is one logged decision.
type Request struct {
	Time          time.Time `json:"time"`
	RequestID     string    `json:"request_id"`
	Partner       string    `json:"partner"`
	Application   string    `json:"application"`
	Product       string    `json:"product"`
	Environment   string    `json:"environment"`
	Method        string    `json:"method"`
	Path          string    `json:"path"`
	Operation     string    `json:"operation"`
	Outcome       string    `json:"outcome"`
	Status        int       `json:"status"`
	PolicyVersion int64     `json:"policy_version"`
	Credential    string    `json:"credential,omitempty"`
	Limit         string    `json:"limit,omitempty"`
	Proxy         string    `json:"proxy,omitempty"`
}

// RequestPage is one page of the request log, newest first.
type RequestPage struct {
	Items      []Request `json:"items"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// Requests asks for logged requests; query has the parameters of GET /api/v1/requests.
func (c *Client) Requests(ctx context.Context, query url.Values) (*RequestPage, error) {
	page := &RequestPage{}
	return page, c.do(ctx, call{method: http.MethodGet, path: []string{"requests"}, query: query}, page)
}
