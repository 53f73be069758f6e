package edge

import (
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// maxSeries bounds the series of partnergate_requests: metrics never expire.
// Partners beyond are counted together as "other".
const maxSeries = 2000

// counters, gauges and histograms that are defined, by name. Defining takes a
// lock of the whole process.
var (
	counters   = map[string]proxywasm.MetricCounter{}
	gauges     = map[string]proxywasm.MetricGauge{}
	histograms = map[string]proxywasm.MetricHistogram{}
	series     int
)

func counter(name string) (proxywasm.MetricCounter, bool) {
	if m, ok := counters[name]; ok {
		return m, true
	}
	m, err := proxywasm.DefineCounterMetric(name)
	if err != nil {
		return 0, false
	}
	counters[name] = m
	return m, true
}

// count raises a counter. Metrics are best effort: a host without them filters all the same.
func count(name string, n uint64) {
	if m, ok := counter(name); ok && n > 0 {
		_ = m.Increment(n)
	}
}

func gauge(name string, value uint64) {
	m, ok := gauges[name]
	if !ok {
		var err error
		if m, err = proxywasm.DefineGaugeMetric(name); err != nil {
			return
		}
		gauges[name] = m
	}
	_ = m.Set(value)
}

// record adds a value to a histogram.
func record(name string, value uint64) {
	m, ok := histograms[name]
	if !ok {
		var err error
		if m, err = proxywasm.DefineHistogramMetric(name); err != nil {
			return
		}
		histograms[name] = m
	}
	_ = m.Record(value)
}

// requestSeries is the series of partnergate_requests for a decision; its tags
// are in its name, since proxy-wasm metrics have none.
func requestSeries(d *policy.Decision) (proxywasm.MetricCounter, bool) {
	name := requestSeriesName(d.Partner, d.Product, d.Environment, d.Code.String())
	if _, known := counters[name]; !known {
		if series >= maxSeries {
			name = requestSeriesName("other", "other", d.Environment, d.Code.String())
		}
		series++
	}
	return counter(name)
}

func requestSeriesName(partner, product, environment, outcome string) string {
	return "partnergate_requests;.partner=" + partner + ".;;.product=" + product +
		".;;.environment=" + environment + ".;;.outcome=" + outcome + ".;"
}

// countReason raises a counter with the tag reason.
func countReason(name, reason string) { count(name+";.reason="+reason+".;", 1) }
