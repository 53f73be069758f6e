package estate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// proxiesAtOnce is how many proxies come back at the same moment, as after an outage of the network.
const proxiesAtOnce = 200

// BenchmarkProxiesAtOnce has 200 proxies ask for the policy of the large estate at once, each on a connection of its own, until the last has
// all of it: those that hold the policy before the last change, and those that hold none, which all fetch everything.
func BenchmarkProxiesAtOnce(b *testing.B) {
	r := large(b)
	before := r.Published()
	if _, err := r.CreateCredential(b.Context(), admin, partnerOf(r.estate), "platform", "sandbox", 0); err != nil {
		b.Fatal(err)
	}
	b.Run("one change behind", func(b *testing.B) { benchmarkAtOnce(b, r, before) })
	b.Run("with nothing", func(b *testing.B) { benchmarkAtOnce(b, r, nil) })
}

func benchmarkAtOnce(b *testing.B, r *running, held *manager.Published) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: proxiesAtOnce}}
	defer client.CloseIdleConnections()
	received := make([]int, proxiesAtOnce)
	for b.Loop() {
		var all sync.WaitGroup
		for i := range received {
			all.Go(func() {
				p := fetching{client: client, url: r.http.URL, id: wire.ProxyID{Node: fmt.Sprint("proxy-", i), Nonce: [16]byte{byte(i), 1}}}
				if err := p.follow(held); err != nil {
					b.Error(err)
				}
				received[i] = p.received
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(received[0])/1000, "kB/proxy")
}

// fetching is a proxy as far as it fetches a policy.
type fetching struct {
	client   *http.Client
	url      string
	id       wire.ProxyID
	received int
}

// follow fetches what is new since held, which may be nil.
func (p *fetching) follow(held *manager.Published) error {
	ask := wire.Watch{Proxy: p.id, Schema: policy.SchemaVersion}
	var manifest *policy.Manifest
	var snapshot *policy.Snapshot
	if held != nil {
		snapshot, manifest, ask.Digest = held.Snapshot, held.Snapshot.Manifest(), held.Digest
	}
	body, err := p.post(wire.WatchPath, ask.Append(nil))
	if err != nil {
		return err
	}
	reply, err := wire.ParseWatchReply(body)
	if err != nil {
		return err
	}
	next, err := policy.ReadManifest(reply.Manifest, manifest)
	if err != nil {
		return err
	}
	for missing := policy.NewLoader(next, snapshot).Missing(); len(missing) > 0; {
		var parts wire.Parts
		for _, e := range missing[:min(len(missing), wire.MaxPartsAsk)] {
			parts.Digests = append(parts.Digests, e.Digest)
		}
		if body, err = p.post(wire.PartsPath, parts.Append(nil)); err != nil {
			return err
		}
		got, err := wire.ParsePartsReply(body)
		if err != nil || len(got.Parts) == 0 || got.Parts[0] == "" {
			return fmt.Errorf("no parts came: %w", err)
		}
		missing = missing[len(got.Parts):]
	}
	return nil
}

func (p *fetching) post(path string, body []byte) (string, error) {
	request, err := http.NewRequest(http.MethodPost, p.url+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+edgeToken)
	request.Header.Set("Content-Type", "application/octet-stream")
	answer, err := p.client.Do(request)
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: status %d, %w", path, answer.StatusCode, err)
	}
	p.received += len(raw)
	return string(raw), nil
}
