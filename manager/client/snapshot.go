package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
)

// Snapshot fetches the policy that is in force, as proxies do: the client's
// token is an edge token of the manager.
func (c *Client) Snapshot(ctx context.Context) (*policy.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, estateTimeout)
	defer cancel()
	watch := wire.Watch{Proxy: wire.ProxyID{Node: "partnergate export"}, Schema: policy.SchemaVersion}
	if _, err := rand.Read(watch.Proxy.Nonce[:]); err != nil {
		return nil, fmt.Errorf("make a name for this call: %w", err)
	}
	body, err := c.edge(ctx, wire.WatchPath, watch.Append(nil))
	if err != nil {
		return nil, err
	}
	reply, err := wire.ParseWatchReply(body)
	if err != nil {
		return nil, c.notAManager(err)
	}
	m, err := policy.ParseManifest(reply.Manifest)
	if err != nil {
		return nil, c.notAManager(err)
	}
	loader := policy.NewLoader(m, nil)
	for len(loader.Missing()) > 0 {
		if err := c.fetchParts(ctx, loader); err != nil {
			return nil, err
		}
	}
	return loader.Snapshot()
}

// fetchParts fetches some of the parts that are missing.
func (c *Client) fetchParts(ctx context.Context, loader *policy.Loader) error {
	missing := loader.Missing()
	missing = append([]policy.ManifestEntry(nil), missing[:min(len(missing), wire.MaxPartsAsk)]...)
	var ask wire.Parts
	for _, e := range missing {
		ask.Digests = append(ask.Digests, e.Digest)
	}
	body, err := c.edge(ctx, wire.PartsPath, ask.Append(nil))
	if err != nil {
		return err
	}
	reply, err := wire.ParsePartsReply(body)
	if err != nil || len(reply.Parts) == 0 || len(reply.Parts) > len(missing) {
		return c.notAManager(fmt.Errorf("%d parts for %d: %w", len(reply.Parts), len(missing), err))
	}
	for i, part := range reply.Parts {
		if part == "" {
			return fmt.Errorf("the policy was changed while it was fetched; run the command again")
		}
		if err := loader.Add(missing[i].PartID, part); err != nil {
			return c.notAManager(err)
		}
	}
	return nil
}

// edge makes one of the calls that proxies make.
func (c *Client) edge(ctx context.Context, path string, body []byte) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return "", c.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	var answer strings.Builder
	if _, err := io.Copy(&answer, io.LimitReader(response.Body, wire.MaxMessage)); err != nil {
		return "", c.unreachable(err)
	}
	if response.StatusCode != http.StatusOK {
		return "", c.problem(response, []byte(answer.String()))
	}
	return answer.String(), nil
}

func (c *Client) notAManager(err error) error {
	return fmt.Errorf("the answer of %s is not a manager's of this version (%w); check PARTNERGATE_URL", c.base, err)
}
