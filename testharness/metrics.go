package testharness

import (
	"maps"
	"slices"
	"sync"
)

// MetricKind is the kind of a metric, as the ABI numbers them.
type MetricKind uint32

// The kinds of metrics.
const (
	Counter MetricKind = iota
	Gauge
	Histogram
)

// metricStore holds the proxy's metrics; all VMs share them by name.
type metricStore struct {
	mu     sync.Mutex
	values map[metricName]*metric
}

type metricName struct {
	kind MetricKind
	name string
}

type metric struct {
	value   uint64   // of a counter or gauge
	samples []uint64 // of a histogram
}

// maxSamples is how many samples of a histogram are kept.
const maxSamples = 10_000

// vmMetrics are the ids that one VM has for metrics. Their two lowest bits are
// the kind (kMetricTypeMask, proxy-wasm/wasm.h).
type vmMetrics struct {
	byID   map[uint32]*metric
	lastID [3]uint32
}

func newVMMetrics() vmMetrics {
	return vmMetrics{byID: map[uint32]*metric{}, lastID: [3]uint32{0, 1, 2}}
}

func (s *metricStore) define(name metricName) *metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[metricName]*metric{}
	}
	m := s.values[name]
	if m == nil {
		m = &metric{}
		s.values[name] = m
	}
	return m
}

// defineMetric gives a new id each time, even for the same name.
func (v *vm) defineMetric(kind MetricKind, name string) uint32 {
	m := v.thread.proxy.metrics.define(metricName{kind, name})
	v.metrics.lastID[kind] += 4
	id := v.metrics.lastID[kind]
	v.metrics.byID[id] = m
	return id
}

func metricKind(id uint32) MetricKind { return MetricKind(id & 3) }

// incrementMetric adds to a counter, for which offset must be above 0, or to a
// gauge (Context::incrementMetric).
func (v *vm) incrementMetric(id uint32, offset int64) status {
	if metricKind(id) > Gauge {
		return statusBadArgument
	}
	m := v.metrics.byID[id]
	if m == nil {
		return statusNotFound
	}
	if metricKind(id) == Counter && offset <= 0 {
		return statusBadArgument
	}
	v.thread.proxy.metrics.mu.Lock()
	defer v.thread.proxy.metrics.mu.Unlock()
	m.value += uint64(offset)
	return statusOK
}

// recordMetric adds to a counter, sets a gauge, samples into a histogram.
func (v *vm) recordMetric(id uint32, value uint64) status {
	m := v.metrics.byID[id]
	if m == nil {
		return statusNotFound
	}
	v.thread.proxy.metrics.mu.Lock()
	defer v.thread.proxy.metrics.mu.Unlock()
	switch metricKind(id) {
	case Counter:
		m.value += value
	case Gauge:
		m.value = value
	case Histogram:
		if len(m.samples) >= maxSamples {
			m.samples = slices.Delete(m.samples, 0, maxSamples/2)
		}
		m.samples = append(m.samples, value)
	}
	return statusOK
}

func (v *vm) getMetric(id uint32) (uint64, status) {
	if metricKind(id) > Gauge {
		return 0, statusBadArgument
	}
	m := v.metrics.byID[id]
	if m == nil {
		return 0, statusNotFound
	}
	v.thread.proxy.metrics.mu.Lock()
	defer v.thread.proxy.metrics.mu.Unlock()
	return m.value, statusOK
}

// Metric is the value of a counter or gauge; ok is false if no guest has
// defined it. A counter comes first if both exist.
func (p *Proxy) Metric(name string) (value uint64, ok bool) {
	p.metrics.mu.Lock()
	defer p.metrics.mu.Unlock()
	for _, kind := range []MetricKind{Counter, Gauge} {
		if m := p.metrics.values[metricName{kind, name}]; m != nil {
			return m.value, true
		}
	}
	return 0, false
}

// Metrics are the values of all counters and gauges by name. A counter comes
// first if both exist.
func (p *Proxy) Metrics() map[string]uint64 {
	p.metrics.mu.Lock()
	defer p.metrics.mu.Unlock()
	values := map[string]uint64{}
	for _, kind := range []MetricKind{Gauge, Counter} {
		for name, m := range maps.All(p.metrics.values) {
			if name.kind == kind {
				values[name.name] = m.value
			}
		}
	}
	return values
}

// Samples are what was recorded in a histogram, oldest first: at least the
// last 5,000.
func (p *Proxy) Samples(name string) []uint64 {
	p.metrics.mu.Lock()
	defer p.metrics.mu.Unlock()
	if m := p.metrics.values[metricName{Histogram, name}]; m != nil {
		return slices.Clone(m.samples)
	}
	return nil
}
