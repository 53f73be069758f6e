package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

// plurals are the names of kinds in paths.
var plurals = map[manager.Kind]string{
	manager.KindEnvironment:  "environments",
	manager.KindProduct:      "products",
	manager.KindPlan:         "plans",
	manager.KindPartner:      "partners",
	manager.KindApplication:  "applications",
	manager.KindSubscription: "subscriptions",
}

func kindPath(kind manager.Kind, partner string, more ...string) []string {
	var path []string
	if kind == manager.KindApplication || kind == manager.KindSubscription {
		path = []string{"partners", partner}
	}
	return append(append(path, plurals[kind]), more...)
}

// Resource gets one resource.
func (c *Client) Resource(ctx context.Context, ref manager.Ref) (manager.Resource, error) {
	var body json.RawMessage
	if err := c.do(ctx, call{method: http.MethodGet, path: kindPath(ref.Kind, ref.Partner, ref.Name)}, &body); err != nil {
		return nil, err
	}
	return readAnswer(ref.Kind, body)
}

// readAnswer reads a resource with what the manager wrote into its metadata.
func readAnswer(kind manager.Kind, body []byte) (manager.Resource, error) {
	var head struct {
		Metadata manager.Metadata `json:"metadata"`
	}
	r, err := manager.ReadResource(kind, body)
	if err == nil {
		err = json.Unmarshal(body, &head)
	}
	if err != nil {
		return nil, fmt.Errorf("the manager's answer is not a %s as this version knows it: %w", kind, err)
	}
	*r.Meta() = head.Metadata
	return r, nil
}

// Resources lists all resources of a kind; for applications and subscriptions those of partner.
func (c *Client) Resources(ctx context.Context, kind manager.Kind, partner string) ([]manager.Resource, error) {
	return c.Search(ctx, kind, partner, "")
}

// Search lists those resources of a kind that have text in their name or title.
func (c *Client) Search(ctx context.Context, kind manager.Kind, partner, text string) ([]manager.Resource, error) {
	query := url.Values{}
	if text != "" {
		query.Set("q", text)
	}
	items, err := listAll[json.RawMessage](ctx, c, kindPath(kind, partner), query)
	if err != nil {
		return nil, err
	}
	all := make([]manager.Resource, len(items))
	for i, item := range items {
		if all[i], err = readAnswer(kind, item); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Delete deletes one resource.
func (c *Client) Delete(ctx context.Context, ref manager.Ref) (policyVersion int64, err error) {
	var answer rest.Version
	err = c.do(ctx, call{method: http.MethodDelete, path: kindPath(ref.Kind, ref.Partner, ref.Name)}, &answer)
	return answer.PolicyVersion, err
}

// DeleteAll deletes resources, all or nothing.
func (c *Client) DeleteAll(ctx context.Context, refs []manager.Ref, dryRun bool) (*manager.ApplyResult, error) {
	var body rest.Deletion
	for _, ref := range refs {
		body.Resources = append(body.Resources, rest.ResourceName(ref))
	}
	query := url.Values{"dry_run": {strconv.FormatBool(dryRun)}}
	result := &manager.ApplyResult{}
	return result, c.do(ctx, call{method: http.MethodPost, path: []string{"delete"}, query: query, body: body}, result)
}

// Apply makes resources the policy, all or nothing.
func (c *Client) Apply(ctx context.Context, resources []manager.Resource, o manager.ApplyOptions) (*manager.ApplyResult, error) {
	return c.ApplyWithProgress(ctx, resources, o, nil)
}

// ApplyWithProgress is Apply. sent, which may be nil, is told how many bytes
// are on their way; the manager begins after the last.
func (c *Client) ApplyWithProgress(ctx context.Context, resources []manager.Resource, o manager.ApplyOptions, sent func(sent, total int64)) (*manager.ApplyResult, error) {
	var body struct {
		Resources []json.RawMessage `json:"resources"`
	}
	for _, r := range resources {
		document, err := manager.MarshalResource(r)
		if err != nil {
			return nil, err
		}
		body.Resources = append(body.Resources, document)
	}
	query := url.Values{"prune": {strconv.FormatBool(o.Prune)}, "dry_run": {strconv.FormatBool(o.DryRun)}}
	result := &manager.ApplyResult{}
	return result, c.do(ctx, call{method: http.MethodPost, path: []string{"apply"}, query: query, body: body, estate: true, sent: sent}, result)
}
