package docs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/partnergate/partnergate/filters/policy"
)

func textOf(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documentedMetrics are the metrics of manager and filters, by the rows of their pages.
func documentedMetrics(t *testing.T) (metrics map[string]string) {
	t.Helper()
	metrics = map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `(partnergate_[a-z_]+)` \\|(.*)$")
	for _, name := range []string{"metrics.md", "filters.md"} {
		for _, m := range row.FindAllStringSubmatch(textOf(t, name), -1) {
			metrics[m[1]] += m[2]
		}
	}
	if len(metrics) < 40 {
		t.Fatalf("only %d metrics", len(metrics))
	}
	return metrics
}

// alert is one rule of Prometheus.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	_, text, _ := strings.Cut(textOf(t, "operations.md"), "<!-- alerts:")
	_, text, _ = strings.Cut(text, "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	var rules struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte(text), &rules, yaml.DisallowUnknownField()); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d alerts", len(all))
	}
	return all
}

// TestAlertsAskForWhatThereIs finds every metric and label of an alert on the
// pages of metrics, and an entry for each alert in the runbook.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	metrics, runbook := documentedMetrics(t), textOf(t, "operations.md")
	name := regexp.MustCompile(`partnergate_[a-z_]+`)
	matcher := regexp.MustCompile(`(partnergate_[a-z_]+)\{([a-z]+)=~?"([^"]*)"\}`)
	for _, a := range alerts(t) {
		if a.Expr == "" || a.Labels["severity"] != "page" && a.Labels["severity"] != "ticket" || a.Annotations["summary"] == "" {
			t.Errorf("%s lacks something: %+v", a.Alert, a)
		}
		if strings.Count(a.Expr, "(") != strings.Count(a.Expr, ")") || strings.Count(a.Expr, "{") != strings.Count(a.Expr, "}") {
			t.Errorf("%s: brackets do not match: %s", a.Alert, a.Expr)
		}
		for _, metric := range name.FindAllString(a.Expr, -1) {
			if metrics[metric] == "" && metrics[strings.TrimSuffix(metric, "_bucket")] == "" {
				t.Errorf("%s asks for %s, which nothing tells", a.Alert, metric)
			}
		}
		for _, m := range matcher.FindAllStringSubmatch(a.Expr, -1) {
			if about := metrics[strings.TrimSuffix(m[1], "_bucket")]; !strings.Contains(about, m[2]) {
				t.Errorf("%s: %s has no label %s: %s", a.Alert, m[1], m[2], about)
			}
		}
		if !strings.Contains(runbook, "\n#### "+a.Alert+"\n") {
			t.Errorf("the runbook has no entry for %s", a.Alert)
		}
	}
}

// TestRunbookIsWhole finds an entry for every refusal and every metric, and none for what is gone.
func TestRunbookIsWhole(t *testing.T) {
	_, runbook, _ := strings.Cut(textOf(t, "operations.md"), "\n## Runbook\n")
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|.*\\|$").FindAllStringSubmatch(runbook, -1) {
		if rows[m[1]] {
			t.Errorf("the runbook has two entries for %s", m[1])
		}
		rows[m[1]] = true
	}
	want := documentedMetrics(t)
	for _, code := range policy.Refusals() {
		want[code.String()] = "a refusal"
	}
	for name := range want {
		if !rows[name] {
			t.Errorf("the runbook has no entry for %s", name)
		}
	}
	for name := range rows {
		if want[name] == "" {
			t.Errorf("the runbook has an entry for %s, which there is not", name)
		}
	}
}

// TestSettingsAreListed compares the table of settings with those of the server and the flags of its command.
func TestSettingsAreListed(t *testing.T) {
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\s+\w+Variable\s+= "(PARTNERGATE_\w+)"`).FindAllStringSubmatch(textOf(t, "../manager/server/settings.go"), -1) {
		want = append(want, m[1])
	}
	help := helpOf(t, []string{"serve"})
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(PARTNERGATE_\\w+)` \\| `(--[a-z-]+)` \\|").FindAllStringSubmatch(textOf(t, "operations.md"), -1) {
		got = append(got, m[1])
		if !regexp.MustCompile(regexp.QuoteMeta(m[2]) + ` string.*\(` + m[1] + `\)`).MatchString(strings.ReplaceAll(help, "\n      ", " ")) {
			t.Errorf("partnergate serve has no flag %s for %s", m[2], m[1])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("docs/operations.md lists %v, the server has %v", got, want)
	}
}

// TestAnchorsOfOperationsExist follows the links within the page, and those of other pages to it.
func TestAnchorsOfOperationsExist(t *testing.T) {
	anchors := map[string]bool{}
	text := textOf(t, "operations.md")
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchors[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	links := regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(text, -1)
	links = append(links, regexp.MustCompile(`\]\(operations\.md#([^)]+)\)`).FindAllStringSubmatch(textOf(t, "metrics.md"), -1)...)
	for _, m := range links {
		if !anchors[m[1]] {
			t.Errorf("there is no section #%s", m[1])
		}
	}
}
