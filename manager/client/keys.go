package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Key is a credential as the API shows it.
type Key struct {
	ID          string     `json:"id"`
	Partner     string     `json:"partner"`
	Application string     `json:"application"`
	Environment string     `json:"environment"`
	State       string     `json:"state"`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty"`
	RotatedTo   string     `json:"rotated_to,omitempty"`
	RotatedFrom string     `json:"rotated_from,omitempty"`
}

// CreateKey makes a key; expiresIn, such as 720h, may be empty.
func (c *Client) CreateKey(ctx context.Context, partner, application, environment, expiresIn string) (*manager.NewKey, error) {
	body := map[string]string{"environment": environment}
	if expiresIn != "" {
		body["expires_in"] = expiresIn
	}
	key := &manager.NewKey{}
	path := []string{"partners", partner, "applications", application, "credentials"}
	return key, c.do(ctx, call{method: http.MethodPost, path: path, body: body}, key)
}

// Keys lists a partner's keys, or those of one application where it is not empty.
func (c *Client) Keys(ctx context.Context, partner, application string) ([]Key, error) {
	path := []string{"partners", partner, "credentials"}
	if application != "" {
		path = []string{"partners", partner, "applications", application, "credentials"}
	}
	return listAll[Key](ctx, c, path, nil)
}

// RotateKey makes the key that replaces id, which stays valid for overlap.
func (c *Client) RotateKey(ctx context.Context, id, overlap string) (*manager.NewKey, error) {
	key := &manager.NewKey{}
	body := map[string]string{"overlap": overlap}
	return key, c.do(ctx, call{method: http.MethodPost, path: []string{"credentials", id, "rotate"}, body: body}, key)
}

// RevokeKey ends a key at once.
func (c *Client) RevokeKey(ctx context.Context, id string) (policyVersion int64, err error) {
	var answer version
	err = c.do(ctx, call{method: http.MethodDelete, path: []string{"credentials", id}}, &answer)
	return answer.PolicyVersion, err
}

// ImportedKey is a key that was made elsewhere.
type ImportedKey struct {
	ID          string     `json:"id,omitempty"`
	Partner     string     `json:"partner"`
	Application string     `json:"application"`
	Environment string     `json:"environment"`
	SHA256      string     `json:"sha256"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
}

// ImportKeys takes keys over, all or nothing.
func (c *Client) ImportKeys(ctx context.Context, keys []ImportedKey, dryRun bool) (*manager.ImportResult, error) {
	body := map[string]any{"credentials": keys}
	query := url.Values{"dry_run": {strconv.FormatBool(dryRun)}}
	result := &manager.ImportResult{}
	return result, c.do(ctx, call{method: http.MethodPost, path: []string{"credentials", "import"}, query: query, body: body, estate: true}, result)
}

// Proxy is one proxy process.
type Proxy struct {
	ID               string    `json:"id"`
	Node             string    `json:"node"`
	PolicyVersion    int64     `json:"policy_version"`
	PolicyAgeSeconds float64   `json:"policy_age_seconds"`
	LastSync         time.Time `json:"last_sync"`
	Live             bool      `json:"live"`
}

// PolicyVersion is the newest policy version.
func (c *Client) PolicyVersion(ctx context.Context) (int64, error) {
	var answer version
	err := c.do(ctx, call{method: http.MethodGet, path: []string{"policy"}}, &answer)
	return answer.PolicyVersion, err
}

// Acknowledged waits up to wait (at most 25 s, in whole seconds) until all live
// proxies decide by version, and returns those that do not.
func (c *Client) Acknowledged(ctx context.Context, version int64, wait time.Duration) (behind []Proxy, err error) {
	var answer struct {
		Behind []Proxy `json:"behind"`
	}
	query := url.Values{
		"wait_for": {strconv.FormatInt(version, 10)},
		"timeout":  {strconv.Itoa(int(wait / time.Second))},
	}
	err = c.do(ctx, call{method: http.MethodGet, path: []string{"policy"}, query: query}, &answer)
	return answer.Behind, err
}

// Proxies lists the proxies that the manager has heard from.
func (c *Client) Proxies(ctx context.Context) ([]Proxy, error) {
	return listAll[Proxy](ctx, c, []string{"proxies"}, nil)
}
