package manager

// Metrics are what the manager counts for Prometheus.
type Metrics struct{}
