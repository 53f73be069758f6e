package envoyexamples

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestOperatorsSeeWhoCalled follows one call that is admitted and one that is refused into the access log, Envoy's metrics and the
// manager's, in both examples of three filters.
func TestOperatorsSeeWhoCalled(t *testing.T) {
	module(t)
	b := sharedBackend.get(t)
	b.applySample(t)
	key := b.key(t, "cobalt", "checkout", "sandbox")
	for _, example := range chained {
		t.Run(example, func(t *testing.T) {
			var access AccessLog
			envoy := sharedEdges[example].get(t)
			b.awaitPolicy(t, key.PolicyVersion, envoy.Address())
			envoy.tap.listen(&access)
			defer envoy.tap.listen(nil)
			seen := func(path string, want Access) {
				t.Helper()
				a, err := askPatiently(envoy.Address(), request{method: http.MethodGet, target: path + "?secret=1", host: sandboxHost,
					headers: []string{"x-api-key: " + key.Key}}, func(answer) {})
				if err != nil {
					t.Fatal(err)
				}
				expect(t, a, want.Status, want.Outcome)
				want.Method, want.Host, want.Path = http.MethodGet, sandboxHost, path
				want.Partner, want.Application, want.Environment = "cobalt", "checkout", "sandbox"
				checkAccess(t, &access, a.header.Get("X-Request-Id"), want)
			}
			seen("/payments/charges/ch_1", Access{Status: 200, Outcome: "admitted", Upstream: "payments",
				Product: "payments", Operation: "getCharge", Subscription: "payments-sandbox"})
			seen("/risk/feeds", Access{Status: 404, Outcome: "operation_not_found", Upstream: "risk"}) // where its route leads
			checkEnvoyMetrics(t, envoy.Envoy)
			if log := accessText(&access); strings.Contains(log, key.Key) || strings.Contains(log, "secret=1") {
				t.Errorf("a key or a query stands in the access log")
			}
			noReloads(t, envoy.Envoy)
		})
	}
	checkManagerMetrics(t, b)
	checkSecrets(t, b, key.Key)
}

// checkAccess checks the line of a request in the access log.
func checkAccess(t *testing.T, access *AccessLog, id string, want Access) {
	t.Helper()
	got := awaitAccess(t, access, func(a Access) bool { return a.RequestID == id })
	if got.Time == "" || id == "" || got.PolicyVersion == "" {
		t.Errorf("the access log lacks time, request id or policy version: %+v", got)
	}
	got.Time, got.RequestID, got.PolicyVersion = "", "", ""
	if got != want {
		t.Errorf("access log:\n got %+v\nwant %+v", got, want)
	}
}

func accessText(access *AccessLog) string {
	var b strings.Builder
	for _, entry := range access.Entries() {
		b.WriteString(entry.Path + " " + entry.RequestID + "\n")
	}
	return b.String()
}

// checkEnvoyMetrics looks for the labels that stats_tags make of the filters' counter.
func checkEnvoyMetrics(t *testing.T, envoy *Envoy) {
	t.Helper()
	metrics, err := envoy.Admin(t.Context(), "/stats/prometheus?filter=partnergate")
	if err != nil {
		t.Fatal(err)
	}
	for _, labels := range [][]string{
		{`partner="cobalt"`, `product="payments"`, `environment="sandbox"`, `outcome="admitted"`},
		{`partner="cobalt"`, `environment="sandbox"`, `outcome="operation_not_found"`},
	} {
		if !hasSeries(string(metrics), "partnergate_requests", labels) {
			t.Errorf("Envoy's metrics have no partnergate_requests with %v:\n%s", labels, aboutRequests(metrics))
		}
	}
	for _, gauge := range []string{"partnergate_policy_version", "partnergate_policy_age_seconds"} {
		if !strings.Contains(string(metrics), gauge) {
			t.Errorf("Envoy's metrics have no %s:\n%s", gauge, aboutRequests(metrics))
		}
	}
}

var seriesLine = regexp.MustCompile(`(?m)^(\w+)\{(.*)\} [1-9]`)

func hasSeries(metrics, name string, labels []string) bool {
	for _, line := range seriesLine.FindAllStringSubmatch(metrics, -1) {
		all := strings.HasSuffix(line[1], name)
		for _, label := range labels {
			all = all && strings.Contains(line[2], label)
		}
		if all {
			return true
		}
	}
	return false
}

func checkManagerMetrics(t *testing.T, b *backend) {
	t.Helper()
	var metrics string
	poll(t, "the manager's metrics do not count the calls", func() bool {
		response, err := http.Get(b.url() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		metrics = bodyOf(t, response)
		return hasSeries(metrics, "partnergate_requests_total",
			[]string{`partner="cobalt"`, `product="payments"`, `environment="sandbox"`, `outcome="admitted"`})
	})
	if strings.Contains(metrics, "pgk_") || strings.Contains(metrics, edgeToken) || strings.Contains(metrics, adminToken) {
		t.Error("a key or a token stands in the manager's metrics")
	}
}

// checkSecrets looks for secrets and the tokens in what the manager has written.
func checkSecrets(t *testing.T, b *backend, secrets ...string) {
	t.Helper()
	for place, text := range b.said(t) {
		for i, secret := range append(secrets, adminToken, edgeToken) {
			if strings.Contains(text, secret) {
				t.Errorf("secret %d (%.16s…) stands in %s", i, secret, place)
			}
		}
	}
}

// aboutRequests keeps the lines of the filters' own metrics.
func aboutRequests(metrics []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(metrics)) {
		if strings.Contains(line, "partnergate_") {
			b.WriteString(line)
		}
	}
	return b.String()
}
