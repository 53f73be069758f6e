package manager

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/filters/policy"
)

// maxRequestSeries bounds the series of partnergate_requests_total; what comes
// after is counted under the partner "other".
const maxRequestSeries = 10_000

// other stands for names beyond the bound.
const other = "other"

// Results of a sync.
const (
	syncStored   = "stored"
	syncRepeated = "repeated" // stored before: a retry
	syncRefused  = "refused"  // not a batch, or older than one stored
	syncFailed   = "failed"   // not stored: it comes again
)

// Metrics are what the manager counts for Prometheus; docs/metrics.md describes
// them. A nil *Metrics counts nothing.
type Metrics struct {
	requests      *prometheus.CounterVec
	series        map[requestSeries]prometheus.Counter
	seriesMu      sync.Mutex
	usageRows     prometheus.Counter
	dropped       prometheus.Counter
	syncs         *prometheus.CounterVec
	watches       prometheus.Gauge
	partsBytes    prometheus.Counter
	grants        *prometheus.CounterVec
	holds         prometheus.Counter
	conflicts     prometheus.Counter
	policyVersion prometheus.Gauge
	compileTime   prometheus.Histogram
	publications  prometheus.Counter
	storeErrors   *prometheus.CounterVec
	inside
	throttled prometheus.Counter
	proxies   atomic.Pointer[func() float64]
}

type requestSeries struct{ partner, product, environment, outcome string }

// NewMetrics registers the manager's collectors with registry.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		series:        map[requestSeries]prometheus.Counter{},
		requests:      counters("requests_total", "Requests that proxies decided on.", "partner", "product", "environment", "outcome"),
		usageRows:     counter("usage_rows_total", "Rows of usage that were stored."),
		dropped:       counter("decisions_dropped_total", "Decisions that proxies counted but did not log, because there were too many."),
		syncs:         counters("syncs_total", "Batches from proxies, by what became of them.", "result"),
		watches:       prometheus.NewGauge(prometheus.GaugeOpts(opts("watches_in_flight", "Proxies that wait for a newer policy."))),
		partsBytes:    counter("parts_bytes_total", "Bytes of snapshots that were sent to proxies."),
		grants:        counters("lease_grants_total", "Grants to proxies.", "kind"),
		holds:         counter("lease_holds_total", "Batches that waited for other proxies to give something back."),
		conflicts:     counter("lease_conflicts_total", "Batches that were decided again because another manager wrote the same leases."),
		policyVersion: prometheus.NewGauge(prometheus.GaugeOpts(opts("policy_version", "Version of the published policy."))),
		compileTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "partnergate_policy_compile_seconds",
			Help: "Time that compiling the policy took.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8)}),
		publications: counter("policy_publications_total", "Snapshots that were published."),
		throttled:    counter("logins_throttled_total", "Logins that were refused because too many had failed."),
		storeErrors:  counters("store_errors_total", "Failed calls of the store.", "call"),
	}
	live := prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("proxies_live", "Proxies heard from within the last 15 seconds.")), m.live)
	registry.MustRegister(m.requests, m.usageRows, m.dropped, m.syncs, m.watches, m.partsBytes, m.grants, m.holds, m.conflicts,
		m.policyVersion, m.compileTime, m.publications, m.throttled, m.storeErrors, live)
	m.register(registry)
	for _, result := range []string{syncStored, syncRepeated, syncRefused, syncFailed} {
		m.syncs.WithLabelValues(result)
	}
	return m
}

func opts(name, help string) prometheus.Opts {
	return prometheus.Opts{Name: "partnergate_" + name, Help: help}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
}

func (m *Metrics) live() float64 {
	if count := m.proxies.Load(); count != nil {
		return (*count)()
	}
	return 0
}

// countProxies says how the live proxies are counted when metrics are asked for.
func (m *Metrics) countProxies(count func() float64) {
	if m != nil {
		m.proxies.Store(&count)
	}
}

// loginThrottled counts a login that was refused unseen.
func (m *Metrics) loginThrottled() {
	if m != nil {
		m.throttled.Inc()
	}
}

// stored counts a batch that was stored.
func (m *Metrics) stored(rows []UsageRow, dropped uint64) {
	if m == nil {
		return
	}
	m.usageRows.Add(float64(len(rows)))
	m.dropped.Add(float64(dropped))
	m.seriesMu.Lock()
	defer m.seriesMu.Unlock()
	for i := range rows {
		k := &rows[i].Key
		m.requestCounter(requestSeries{k.Partner, k.Product, k.Environment, k.Outcome}).Add(float64(rows[i].Requests))
	}
}

// requestCounter finds or makes a series. The caller holds seriesMu.
func (m *Metrics) requestCounter(s requestSeries) prometheus.Counter {
	if c := m.series[s]; c != nil {
		return c
	}
	if len(m.series) >= maxRequestSeries {
		s.partner = other
		if c := m.series[s]; c != nil {
			return c
		}
		if len(m.series) >= maxRequestSeries+maxRequestSeries/10-1 {
			s = requestSeries{other, other, other, other}
		}
	}
	for _, word := range [...]*string{&s.partner, &s.product, &s.environment, &s.outcome} {
		*word = strings.Clone(*word) // it is a view of a whole batch
	}
	c := m.requests.WithLabelValues(s.partner, s.product, s.environment, s.outcome)
	m.series[s] = c
	return c
}

func (m *Metrics) synced(result string) {
	if m != nil {
		m.syncs.WithLabelValues(result).Inc()
	}
}

// watching counts a watch until the function that it returns is called.
func (m *Metrics) watching() (done func()) {
	if m == nil {
		return func() {}
	}
	m.watches.Inc()
	return m.watches.Dec
}

func (m *Metrics) partsSent(bytes int) {
	if m != nil {
		m.partsBytes.Add(float64(bytes))
	}
}

func (m *Metrics) granted(grants []policy.Grant) {
	if m == nil {
		return
	}
	for i := range grants {
		m.grants.WithLabelValues(grantKind(&grants[i])).Inc()
	}
}

func grantKind(g *policy.Grant) string {
	id, _ := policy.ParseBucketID(g.ID)
	return kindOf(id.Kind)
}

func kindOf(kind policy.LimitKind) string {
	switch {
	case kind.Rate():
		return "rate"
	case kind.Quota():
		return "quota"
	}
	return "concurrency"
}

func (m *Metrics) leaseConflict() {
	if m != nil {
		m.conflicts.Inc()
	}
}

// compiledIn counts one compilation of the policy.
func (m *Metrics) compiledIn(d time.Duration) {
	if m != nil {
		m.compileTime.Observe(d.Seconds())
	}
}

// published counts one publication.
func (m *Metrics) published(version int64) {
	if m != nil {
		m.publications.Inc()
		m.policyVersion.Set(float64(version))
	}
}

// storeFailed counts a failed call of the store, by the name of its method.
func (m *Metrics) storeFailed(call string) {
	if m != nil {
		m.storeErrors.WithLabelValues(call).Inc()
	}
}
