package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// CreateKey makes a key; expiresIn, such as 720h, may be empty.
func (c *Client) CreateKey(ctx context.Context, partner, application, environment, expiresIn string) (*manager.NewKey, error) {
	body := rest.KeyRequest{Environment: environment, ExpiresIn: expiresIn}
	key := &manager.NewKey{}
	path := []string{"partners", partner, "applications", application, "credentials"}
	return key, c.do(ctx, call{method: http.MethodPost, path: path, body: body}, key)
}

// Keys lists a partner's keys, or those of one application where it is not empty.
func (c *Client) Keys(ctx context.Context, partner, application string) ([]rest.Key, error) {
	path := []string{"partners", partner, "credentials"}
	if application != "" {
		path = []string{"partners", partner, "applications", application, "credentials"}
	}
	return listAll[rest.Key](ctx, c, path, nil)
}

// RotateKey makes the key that replaces id, which stays valid for overlap.
func (c *Client) RotateKey(ctx context.Context, id, overlap string) (*manager.NewKey, error) {
	key := &manager.NewKey{}
	body := rest.Rotation{Overlap: overlap}
	return key, c.do(ctx, call{method: http.MethodPost, path: []string{"credentials", id, "rotate"}, body: body}, key)
}

// RevokeKey ends a key at once.
func (c *Client) RevokeKey(ctx context.Context, id string) (policyVersion int64, err error) {
	var answer rest.Version
	err = c.do(ctx, call{method: http.MethodDelete, path: []string{"credentials", id}}, &answer)
	return answer.PolicyVersion, err
}

// ImportKeys takes keys over, all or nothing.
func (c *Client) ImportKeys(ctx context.Context, keys []rest.ImportedKey, dryRun bool) (*manager.ImportResult, error) {
	body := rest.Import{Credentials: keys}
	query := url.Values{"dry_run": {strconv.FormatBool(dryRun)}}
	result := &manager.ImportResult{}
	return result, c.do(ctx, call{method: http.MethodPost, path: []string{"credentials", "import"}, query: query, body: body, estate: true}, result)
}

// PolicyVersion is the newest policy version.
func (c *Client) PolicyVersion(ctx context.Context) (int64, error) {
	var answer rest.Version
	err := c.do(ctx, call{method: http.MethodGet, path: []string{"policy"}}, &answer)
	return answer.PolicyVersion, err
}

// Acknowledged waits up to wait (at most 25 s, in whole seconds) until all live
// proxies decide by version, and returns those that do not.
func (c *Client) Acknowledged(ctx context.Context, version int64, wait time.Duration) (behind []rest.Proxy, err error) {
	var answer rest.Policy
	query := url.Values{
		"wait_for": {strconv.FormatInt(version, 10)},
		"timeout":  {strconv.Itoa(int(wait / time.Second))},
	}
	err = c.do(ctx, call{method: http.MethodGet, path: []string{"policy"}, query: query}, &answer)
	return answer.Behind, err
}

// Proxies lists the proxies that the manager has heard from.
func (c *Client) Proxies(ctx context.Context) ([]rest.Proxy, error) {
	return listAll[rest.Proxy](ctx, c, []string{"proxies"}, nil)
}
