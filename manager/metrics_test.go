package manager_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
)

// recorder remembers what is registered.
type recorder struct {
	*prometheus.Registry
	t          *testing.T
	collectors []prometheus.Collector
}

func (r *recorder) MustRegister(list ...prometheus.Collector) {
	r.collectors = append(r.collectors, list...)
	r.Registry.MustRegister(list...)
}

var description = regexp.MustCompile(`fqName: "(.*?)", help: "(.*?)",.* variableLabels: \{(.*?)\}`)

// rows are the metrics as they stand in the documentation.
func (r *recorder) rows() (rows []string) {
	for _, c := range r.collectors {
		descriptions := make(chan *prometheus.Desc, 10)
		c.Describe(descriptions)
		close(descriptions)
		for d := range descriptions {
			m := description.FindStringSubmatch(d.String())
			kind := kindOf(c, m[1])
			if (kind == "counter") != strings.HasSuffix(m[1], "_total") {
				r.t.Errorf("%s is a %s: counters end in _total, and nothing else does", m[1], kind)
			}
			labels := strings.ReplaceAll(m[3], ",", ", ")
			rows = append(rows, strings.ReplaceAll(fmt.Sprintf("| `%s` | %s | %s | %s |", m[1], kind, labels, m[2]), "|  |", "| |"))
		}
	}
	return rows
}

// kindOf is the type of a collector. Of vectors without values yet those of
// counters end in _total.
func kindOf(c prometheus.Collector, name string) string {
	metrics := make(chan prometheus.Metric, 10)
	c.Collect(metrics)
	close(metrics)
	for m := range metrics {
		var written dto.Metric
		switch err := m.Write(&written); {
		case err != nil:
			return err.Error()
		case written.Gauge != nil:
			return "gauge"
		case written.Histogram != nil:
			return "histogram"
		}
	}
	if !strings.HasSuffix(name, "_total") {
		return "gauge"
	}
	return "counter"
}

func TestMetricsAreDocumented(t *testing.T) {
	r := &recorder{Registry: prometheus.NewRegistry(), t: t}
	manager.NewMetrics(r)
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `partnergate_") && strings.Count(line, "|") == 5 {
			documented = append(documented, strings.TrimSpace(line))
		}
	}
	registered := r.rows()
	slices.Sort(documented)
	slices.Sort(registered)
	if got, want := strings.Join(documented, "\n"), strings.Join(registered, "\n"); got != want {
		t.Errorf("docs/metrics.md has\n%s\nbut registered is\n%s", got, want)
	}
}

func TestMetricsCountABatchOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := newClock()
	s, err := manager.NewService(t.Context(), manager.Config{
		Store: openStore(t, filepath.Join(t.TempDir(), "policy.db")), Now: c.Now, Metrics: manager.NewMetrics(registry),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	leased(t, s)
	p := newProcess(t, s, c, "one")
	p.take(daily)
	p.usage = []wire.Usage{{Minute: minutes(c), Partner: "globex", Product: "pay", Environment: "sandbox", Outcome: "admitted", Count: 3}}
	body := p.compose()
	p.send(body)
	p.send(body)
	if _, err := s.Sync(t.Context(), nil); err == nil {
		t.Error("nothing is a batch")
	}
	got := values(t, registry)
	for series, want := range map[string]float64{
		"partnergate_requests_total sandbox admitted globex pay": 3,
		"partnergate_syncs_total failed":                         0,
		"partnergate_syncs_total refused":                        1,
		"partnergate_syncs_total repeated":                       1,
		"partnergate_syncs_total stored":                         1,
		"partnergate_lease_grants_total quota":                   1,
		"partnergate_proxies_live":                               1,
		"partnergate_policy_version":                             float64(s.PolicyVersion()),
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v, want %v", series, v, want)
		}
	}
}

func TestRequestSeriesAreBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := newClock()
	s, err := manager.NewService(t.Context(), manager.Config{
		Store: openStore(t, filepath.Join(t.TempDir(), "policy.db")), Now: c.Now, Metrics: manager.NewMetrics(registry),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	p := newProcess(t, s, c, "one")
	for i := range 15_000 {
		p.usage = append(p.usage, wire.Usage{Minute: minutes(c), Partner: fmt.Sprint("p", i), Product: fmt.Sprint("q", i%5000), Outcome: "admitted", Count: 1})
	}
	p.sync()
	total, series := 0.0, 0
	for name, v := range values(t, registry) {
		if strings.HasPrefix(name, "partnergate_requests_total ") {
			total, series = total+v, series+1
		}
	}
	if series > 11_000 {
		t.Errorf("%d series", series)
	}
	if total != 15_000 {
		t.Errorf("%v requests are counted, 15000 were sent", total)
	}
}

// values are the counters and gauges, by name and the values of their labels.
func values(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}
