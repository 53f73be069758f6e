package manager

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what the manager counts for Prometheus. A nil *Metrics counts nothing.
type Metrics struct {
	registry *prometheus.Registry
}

// NewMetrics registers the manager's collectors with registry.
func NewMetrics(registry *prometheus.Registry) *Metrics { return &Metrics{registry: registry} }
