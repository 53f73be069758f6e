package proxywasm

// metricType is proxy_metric_type_t.
type metricType uint32

const (
	typeCounter   metricType = 0
	typeGauge     metricType = 1
	typeHistogram metricType = 2
)

// MetricCounter is a counter of the host. Defining takes a lock of the whole process: define once,
// keep it.
type MetricCounter uint32

// MetricGauge is a gauge of the host.
type MetricGauge uint32

// MetricHistogram is a histogram of the host.
type MetricHistogram uint32

// DefineCounterMetric returns the counter of the name, new or not. Metrics never expire: bound them.
func DefineCounterMetric(name string) (MetricCounter, error) {
	id, status := hostDefineMetric(typeCounter, name)
	return MetricCounter(id), statusError(status)
}

// DefineGaugeMetric returns the gauge of the name, new or not.
func DefineGaugeMetric(name string) (MetricGauge, error) {
	id, status := hostDefineMetric(typeGauge, name)
	return MetricGauge(id), statusError(status)
}

// DefineHistogramMetric returns the histogram of the name, new or not.
func DefineHistogramMetric(name string) (MetricHistogram, error) {
	id, status := hostDefineMetric(typeHistogram, name)
	return MetricHistogram(id), statusError(status)
}

// Increment adds offset to the counter.
func (m MetricCounter) Increment(offset uint64) error {
	return statusError(hostIncrementMetric(uint32(m), int64(offset)))
}

// Value returns the counter's value.
func (m MetricCounter) Value() (uint64, error) {
	value, status := hostMetric(uint32(m))
	return value, statusError(status)
}

// Add adds offset, which may be negative, to the gauge.
func (m MetricGauge) Add(offset int64) error {
	return statusError(hostIncrementMetric(uint32(m), offset))
}

// Set sets the gauge.
func (m MetricGauge) Set(value uint64) error {
	return statusError(hostRecordMetric(uint32(m), value))
}

// Value returns the gauge's value.
func (m MetricGauge) Value() (int64, error) {
	value, status := hostMetric(uint32(m))
	return int64(value), statusError(status)
}

// Record records a value in the histogram.
func (m MetricHistogram) Record(value uint64) error {
	return statusError(hostRecordMetric(uint32(m), value))
}
