package manager

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/filters/policy"
)

// maxProxySeries bounds the series that name a proxy's node; nodes beyond are
// told together as "other".
const maxProxySeries = 500

// inside are the metrics of the manager's own queues, caches and waits.
type inside struct {
	httpRequests *prometheus.CounterVec
	httpSeconds  *prometheus.HistogramVec
	httpInFlight *prometheus.GaugeVec
	edgeRefused  *prometheus.CounterVec
	syncSeconds  prometheus.Histogram
	syncBytes    prometheus.Histogram
	holdSeconds  prometheus.Histogram
	stepped      *prometheus.CounterVec
	recalls      prometheus.Counter
	exhausted    prometheus.Counter
	partsMissing prometheus.Counter
	storeSeconds *prometheus.HistogramVec
	hashing      prometheus.Gauge
	hashSeconds  prometheus.Histogram
	retention    *prometheus.CounterVec
	logins       *prometheus.CounterVec
	service      atomic.Pointer[Service] // that gauges are read from
}

// Surfaces of the HTTP server.
const (
	SurfaceAdmin  = "admin"
	SurfaceEdge   = "edge"
	SurfacePortal = "portal"
	SurfaceOpen   = "open" // health, metrics, modules
)

func (i *inside) register(registry prometheus.Registerer) {
	short := prometheus.ExponentialBuckets(0.0005, 4, 8) // to 8 s
	i.httpRequests = counters("http_requests_total", "Requests to the manager.", "surface", "status")
	i.httpSeconds = histograms("http_request_seconds", "Time until a request to the manager was answered, without watches.", short, "surface")
	i.httpInFlight = prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("http_requests_in_flight", "Requests to the manager that have no answer yet.")), []string{"surface"})
	i.edgeRefused = counters("edge_refused_total", "Calls of proxies that were refused.", "reason")
	i.syncSeconds = histogram("sync_seconds", "Time that a batch took, with its wait for other proxies.", short)
	i.syncBytes = histogram("sync_bytes", "Size of batches from proxies.", prometheus.ExponentialBuckets(64, 8, 7))
	i.holdSeconds = histogram("lease_hold_seconds", "Time that a batch waited for other proxies to give something back.", prometheus.LinearBuckets(0.025, 0.025, 7))
	i.stepped = counters("lease_buckets_total", "Limits that were decided on for a batch.", "kind")
	i.recalls = counter("lease_recalls_total", "Grants that asked a proxy to give back what it holds of a quota.")
	i.exhausted = counter("lease_exhausted_total", "Grants that told a proxy that a quota is used up for its window.")
	i.partsMissing = counter("parts_missing_total", "Parts that a proxy asked for and that are kept no more.")
	i.storeSeconds = histograms("store_seconds", "Time that a call of the store took.", short, "call")
	i.hashing = prometheus.NewGauge(prometheus.GaugeOpts(opts("passwords_waiting", "Passwords that wait for their turn to be hashed.")))
	i.hashSeconds = histogram("password_wait_seconds", "Time that a password waited for its turn to be hashed.", prometheus.ExponentialBuckets(0.001, 4, 8))
	i.retention = counters("retention_runs_total", "Hourly removals of what is too old to be kept.", "result")
	i.logins = counters("logins_total", "Passwords that members gave.", "result")
	registry.MustRegister(i.logins, i.httpRequests, i.httpSeconds, i.httpInFlight, i.edgeRefused, i.syncSeconds, i.syncBytes, i.holdSeconds, i.stepped, i.recalls,
		i.exhausted, i.partsMissing, i.storeSeconds, i.hashing, i.hashSeconds, i.retention)
	i.registerGauges(registry)
	for _, result := range []string{"done", "failed"} {
		i.retention.WithLabelValues(result)
	}
	for _, result := range []string{"right", "wrong"} {
		i.logins.WithLabelValues(result)
	}
	for _, kind := range []string{"rate", "quota", "concurrency"} {
		i.stepped.WithLabelValues(kind)
	}
	for _, reason := range edgeReasons {
		i.edgeRefused.WithLabelValues(reason)
	}
	for _, call := range []string{"CommitPolicy", "CommitSync", "LoadPolicy"} {
		i.storeSeconds.WithLabelValues(call)
	}
	for _, surface := range []string{SurfaceAdmin, SurfaceEdge, SurfacePortal, SurfaceOpen} {
		i.httpInFlight.WithLabelValues(surface)
		i.httpSeconds.WithLabelValues(surface)
	}
}

// registerGauges registers what is looked up when it is asked for.
func (i *inside) registerGauges(registry prometheus.Registerer) {
	gauge := func(name, help string, value func(*Service) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts(name, help)), func() float64 {
			if s := i.service.Load(); s != nil {
				return value(s)
			}
			return 0
		})
	}
	registry.MustRegister(
		gauge("ready", "1 while the manager can take changes and serve policy, else 0.", func(s *Service) float64 {
			if s.Ready() != nil {
				return 0
			}
			return 1
		}),
		gauge("policy_published_timestamp_seconds", "When the published policy was published.", func(s *Service) float64 {
			return float64(s.Published().At.UnixMilli()) / 1000
		}),
		gauge("parts_cached", "Parts of snapshots that are kept for proxies, of this version and the last few.", func(s *Service) float64 {
			return float64(len(s.Published().Parts))
		}),
		gauge("parts_cached_bytes", "Bytes of the parts that are kept.", func(s *Service) (n float64) {
			for _, part := range s.Published().Parts {
				n += float64(len(part))
			}
			return n
		}),
		gauge("proxies_behind", "Live proxies that decide by an older policy than the published one.", func(s *Service) float64 {
			behind := 0
			for _, versions := range s.versionsBehind() {
				if versions > 0 {
					behind++
				}
			}
			return float64(behind)
		}),
		gauge("lease_waiters", "Limits that batches wait for right now.", func(s *Service) float64 { return float64(s.contacts.waiting()) }),
		&behindCollector{inside: i, desc: prometheus.NewDesc("partnergate_proxy_versions_behind",
			"How many versions of the policy the slowest live proxy of a node is behind.", []string{"node"}, nil)},
	)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "partnergate_" + name, Help: help, Buckets: buckets})
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "partnergate_" + name, Help: help, Buckets: buckets}, labels)
}

// behindCollector tells of live proxies only, so that its series end with them.
type behindCollector struct {
	inside *inside
	desc   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *behindCollector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect implements prometheus.Collector.
func (c *behindCollector) Collect(to chan<- prometheus.Metric) {
	s := c.inside.service.Load()
	if s == nil {
		return
	}
	nodes := map[string]int64{}
	behind := s.versionsBehind()
	for _, id := range names(behind) {
		node := nodeOf(id)
		if _, known := nodes[node]; !known && len(nodes) >= maxProxySeries {
			node = other
		}
		nodes[node] = max(nodes[node], behind[id])
	}
	for node, versions := range nodes {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(versions), node)
	}
}

// nodeOf is the node in a proxy's id.
func nodeOf(proxy string) string { return proxy[:max(strings.LastIndexByte(proxy, '.'), 0)] }

// edgeReasons are why calls of proxies are refused.
var edgeReasons = []string{"unauthorized", "malformed", ReasonVersion, ReasonSchema, "proxy_unknown", "sequence_stale", "unavailable", other}

// EdgeRefused counts a call of a proxy that was refused, by the code of its problem.
func (m *Metrics) EdgeRefused(code string) {
	if m == nil {
		return
	}
	for _, reason := range edgeReasons {
		if reason == code {
			m.edgeRefused.WithLabelValues(reason).Inc()
			return
		}
	}
	m.edgeRefused.WithLabelValues(other).Inc()
}

// Serving counts a request to a surface until the function that it returns is
// called with the status of the answer. Watches, which wait, are not timed.
func (m *Metrics) Serving(surface string, watch bool) (answered func(status int)) {
	if m == nil {
		return func(int) {}
	}
	started := time.Now()
	inFlight := m.httpInFlight.WithLabelValues(surface)
	inFlight.Inc()
	return func(status int) {
		inFlight.Dec()
		m.httpRequests.WithLabelValues(surface, statusClass(status)).Inc()
		if !watch {
			m.httpSeconds.WithLabelValues(surface).Observe(time.Since(started).Seconds())
		}
	}
}

func statusClass(status int) string {
	if status < 100 || status > 599 {
		return other
	}
	return string(rune('0'+status/100)) + "xx"
}

// serves says which service the gauges are read from.
func (m *Metrics) serves(s *Service) {
	if m != nil {
		m.service.Store(s)
	}
}

// syncBegun measures a batch until the function that it returns is called.
func (m *Metrics) syncBegun(bytes int) (end func()) {
	if m == nil {
		return func() {}
	}
	m.syncBytes.Observe(float64(bytes))
	started := time.Now()
	return func() { m.syncSeconds.Observe(time.Since(started).Seconds()) }
}

// held counts a batch that waits, until the function that it returns is called.
func (m *Metrics) held() (end func()) {
	if m == nil {
		return func() {}
	}
	m.holds.Inc()
	started := time.Now()
	return func() { m.holdSeconds.Observe(time.Since(started).Seconds()) }
}

// decided counts the buckets that were decided on for a batch that was stored.
func (m *Metrics) decided(ids []string, grants []policy.Grant) {
	if m == nil {
		return
	}
	for _, id := range ids {
		if b, ok := policy.ParseBucketID(id); ok {
			m.stepped.WithLabelValues(kindOf(b.Kind)).Inc()
		}
	}
	for i := range grants {
		if grants[i].Recall {
			m.recalls.Inc()
		}
		if grants[i].Spent {
			m.exhausted.Inc()
		}
	}
}

func (m *Metrics) partMissing() {
	if m != nil {
		m.partsMissing.Inc()
	}
}

// storeCalled counts a call of the store by the name of its method.
func (m *Metrics) storeCalled(call string, took time.Duration) {
	if m != nil {
		m.storeSeconds.WithLabelValues(call).Observe(took.Seconds())
	}
}

// passwordWaits counts a password that waits, until the function that it returns is called.
func (m *Metrics) passwordWaits() (end func()) {
	if m == nil {
		return func() {}
	}
	m.hashing.Inc()
	started := time.Now()
	return func() {
		m.hashing.Dec()
		m.hashSeconds.Observe(time.Since(started).Seconds())
	}
}

// passwordGiven counts a password that was checked.
func (m *Metrics) passwordGiven(right bool) {
	switch {
	case m == nil:
	case right:
		m.logins.WithLabelValues("right").Inc()
	default:
		m.logins.WithLabelValues("wrong").Inc()
	}
}

// retained counts a run of the retention.
func (m *Metrics) retained(done bool) {
	switch {
	case m == nil:
	case done:
		m.retention.WithLabelValues("done").Inc()
	default:
		m.retention.WithLabelValues("failed").Inc()
	}
}

// versionsBehind tells of each live proxy that has synced with this manager how
// many versions it is behind the published one.
func (s *Service) versionsBehind() map[string]int64 {
	published, now := s.Published().Version, s.now()
	s.contacts.mu.Lock()
	defer s.contacts.mu.Unlock()
	behind := map[string]int64{}
	for id, p := range s.contacts.proxies {
		if p.synced && now.Sub(p.seen) < silence {
			behind[id] = max(published-p.version, 0)
		}
	}
	return behind
}

// waiting counts the buckets that batches wait for.
func (c *contacts) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiters)
}

// decides notes by which policy a proxy decides.
func (c *contacts) decides(p *contact, version int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.version, p.synced = version, true
}
