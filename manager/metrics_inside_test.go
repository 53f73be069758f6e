package manager_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// measured starts a service whose metrics can be read.
func measured(t *testing.T, c *clock) (*manager.Service, *prometheus.Registry, *manager.Metrics) {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics := manager.NewMetrics(registry)
	s, err := manager.NewService(t.Context(), manager.Config{
		Store: openStore(t, filepath.Join(t.TempDir(), "policy.db")), Now: c.Now, Metrics: metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	leased(t, s)
	return s, registry, metrics
}

// observed is how many observations a histogram has, by name and labels as in values.
func observed(t *testing.T, registry *prometheus.Registry, series string) (n uint64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if name == series {
				n += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return n
}

// TestMetricsOfQueuesAndCaches has two proxies share contracts, one fall behind
// and one ask for what is gone.
func TestMetricsOfQueuesAndCaches(t *testing.T) {
	c := newClock()
	s, registry, metrics := measured(t, c)
	a, b := newProcess(t, s, c, "a"), newProcess(t, s, c, "b")
	version := uint64(s.PolicyVersion())
	a.version, b.version = version, version
	for _, p := range []*process{a, b} {
		p.take(throughput)
		p.settle()
	}
	for range 10 { // until the quota of three is used up
		a.takeAll(few)
		b.takeAll(few)
		a.sync()
		b.sync()
	}
	apply(t, s, read(t, "apiVersion: partnergate.dev/v1alpha1\nkind: Partner\nmetadata: {name: globex}\nspec: {title: Anew}\n"), manager.ApplyOptions{})
	a.version = uint64(s.PolicyVersion())
	a.sync()
	b.sync() // by the old one still
	if _, err := s.Parts(context.Background(), (&wire.Parts{Digests: [][32]byte{{1}}}).Append(nil)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		metrics.Serving(manager.SurfaceAdmin, false)(503)
	}
	metrics.Serving(manager.SurfaceEdge, true)(200)
	metrics.EdgeRefused(manager.ReasonVersion)
	metrics.EdgeRefused("something that a proxy cannot choose")
	got := values(t, registry)
	for series, want := range map[string]float64{
		"partnergate_ready":                              1,
		"partnergate_proxies_live":                       2,
		"partnergate_proxies_behind":                     1,
		"partnergate_proxy_versions_behind a":            0,
		"partnergate_proxy_versions_behind b":            1,
		"partnergate_parts_missing_total":                1,
		"partnergate_parts_cached":                       float64(len(s.Published().Parts)),
		"partnergate_lease_waiters":                      0,
		"partnergate_policy_published_timestamp_seconds": float64(c.Now().Unix()),
		"partnergate_http_requests_total 5xx admin":      2,
		"partnergate_http_requests_total 2xx edge":       1,
		"partnergate_http_requests_in_flight admin":      0,
		"partnergate_edge_refused_total version_unknown": 1,
		"partnergate_edge_refused_total other":           1,
		"partnergate_edge_refused_total schema_unknown":  0,
		"partnergate_passwords_waiting":                  0,
		"partnergate_retention_runs_total failed":        0,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (%t), want %v", series, v, ok, want)
		}
	}
	for _, series := range []string{"partnergate_lease_exhausted_total", "partnergate_lease_buckets_total quota", "partnergate_lease_buckets_total rate", "partnergate_parts_cached_bytes"} {
		if got[series] <= 0 {
			t.Errorf("%s is %v", series, got[series])
		}
	}
	syncs := uint64(got["partnergate_syncs_total stored"])
	for series, want := range map[string]uint64{
		"partnergate_sync_seconds": syncs, "partnergate_sync_bytes": syncs, "partnergate_http_request_seconds edge": 0,
		"partnergate_http_request_seconds admin": 2, "partnergate_lease_hold_seconds": uint64(got["partnergate_lease_holds_total"]),
	} {
		if n := observed(t, registry, series); n != want {
			t.Errorf("%s has %d observations, want %d", series, n, want)
		}
	}
	if n := observed(t, registry, "partnergate_store_seconds CommitSync"); n < syncs {
		t.Errorf("%d commits for %d batches", n, syncs)
	}
	c.advance(time.Minute)
	if _, there := values(t, registry)["partnergate_proxy_versions_behind b"]; there {
		t.Error("a proxy that is gone is still told")
	}
}

// TestNodesAreBounded has more nodes than there are series.
func TestNodesAreBounded(t *testing.T) {
	c := newClock()
	s, registry, _ := measured(t, c)
	for i := range 510 {
		m := wire.Sync{Proxy: wire.ProxyID{Node: fmt.Sprintf("node-%03d.example", i), Nonce: [16]byte{1}}, Sequence: 1, PolicyVersion: uint64(s.PolicyVersion())}
		if _, err := s.Sync(t.Context(), m.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	series, other := 0, false
	for name := range values(t, registry) {
		if strings.HasPrefix(name, "partnergate_proxy_versions_behind ") {
			series++
			other = other || name == "partnergate_proxy_versions_behind other"
		}
	}
	if series != 501 || !other {
		t.Errorf("%d series, other: %t", series, other)
	}
}

// TestMetricsOfLogins counts passwords, and the wait for their turn.
func TestMetricsOfLogins(t *testing.T) {
	s, registry, _ := measured(t, newClock())
	for range 2 {
		if _, err := s.Authenticate(t.Context(), "nobody@acme.test", "a wrong password"); err == nil {
			t.Fatal("a stranger logs in")
		}
	}
	if got := values(t, registry); got["partnergate_logins_total wrong"] != 2 || got["partnergate_logins_total right"] != 0 {
		t.Errorf("%v wrong, %v right", got["partnergate_logins_total wrong"], got["partnergate_logins_total right"])
	}
	if n := observed(t, registry, "partnergate_password_wait_seconds"); n != 2 {
		t.Errorf("%d waits", n)
	}
}
