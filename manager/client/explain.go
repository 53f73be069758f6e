package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Explanation is what the policy decides on a request that nobody sent, and why.
type Explanation struct {
	Code          string                `json:"code"`
	Status        int                   `json:"status,omitempty"`
	Detail        string                `json:"detail"`
	PolicyVersion int64                 `json:"policy_version"`
	At            time.Time             `json:"at"`
	Partner       string                `json:"partner"`
	Application   string                `json:"application,omitempty"`
	Environment   string                `json:"environment"`
	Credential    string                `json:"credential,omitempty"`
	Method        string                `json:"method"`
	Host          string                `json:"host"`
	Path          string                `json:"path"`
	Product       string                `json:"product,omitempty"`
	Operation     string                `json:"operation,omitempty"`
	Subscription  string                `json:"subscription,omitempty"`
	Steps         []manager.ExplainStep `json:"steps"`
}

// Explain asks whether a request would be let through; query has the parameters of GET /api/v1/explain.
func (c *Client) Explain(ctx context.Context, query url.Values) (*Explanation, error) {
	answer := &Explanation{}
	return answer, c.do(ctx, call{method: http.MethodGet, path: []string{"explain"}, query: query}, answer)
}

// Catalog is what a partner can call in an environment.
type Catalog struct {
	Products []struct {
		Product string   `json:"product"`
		Hosts   []string `json:"hosts"`
		State   string   `json:"state"`
	} `json:"products"`
	Operations []struct {
		Product   string `json:"product"`
		Method    string `json:"method"`
		Path      string `json:"path"`
		Operation string `json:"operation"`
	} `json:"operations"`
}

// Catalog asks what a partner can call in an environment.
func (c *Client) Catalog(ctx context.Context, partner, environment string) (*Catalog, error) {
	answer := &Catalog{}
	query := url.Values{"environment": {environment}}
	return answer, c.do(ctx, call{method: http.MethodGet, path: []string{"partners", partner, "catalog"}, query: query}, answer)
}
