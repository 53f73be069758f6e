package envoyexamples

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	extensions "istio.io/api/extensions/v1alpha1"
)

// TestIstioManifestsFit holds together what one manifest says of another: names, ports, labels, tokens.
func TestIstioManifestsFit(t *testing.T) {
	m := readManifests(t)
	manager, gateway := m.manager.Template.Spec.Containers[0], m.gateway.Template.Spec.Containers[0]
	service, port := m.services["partnergate"], m.services["partnergate"].Ports[0].Port
	host := "partnergate." + m.places["StatefulSet"] + ".svc.cluster.local"
	config := m.pluginConfig(t)
	for _, c := range []struct{ what, got, want string }{
		{"cluster of the filter's calls", config.Manager.Cluster, clusterOfIstio(m.places["StatefulSet"], "partnergate", port)},
		{"URL of the module", m.plugin.Url, "http://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/wasm/partnergate.wasm"},
		{"host of the destination rule", m.rule.Host, host},
		{"port of the service", service.Ports[0].TargetPort.(string), manager.Ports[0].Name},
		{"start", manager.StartupProbe.HTTPGet.Path, manager.LivenessProbe.HTTPGet.Path},
		{"readiness", manager.ReadinessProbe.HTTPGet.Path, "/readyz"},
		{"liveness", manager.LivenessProbe.HTTPGet.Path, "/healthz"},
		{"address of the manager", settings(manager)["PARTNERGATE_LISTEN"], ":8080"},
		{"the filter's variable", config.Manager.TokenEnv, m.plugin.VmConfig.Env[0].Name},
		{"where it comes from", m.plugin.VmConfig.Env[0].ValueFrom.String(), extensions.EnvValueSource_HOST.String()},
		{"the proxy's variable", gateway.Env[0].Name, config.Manager.TokenEnv},
		{"the access log's provider", m.telemetry.AccessLogging[0].Providers[0].Name, m.mesh.ExtensionProviders[0].Name},
		{"errors' pages", config.ErrorsURL, settings(manager)["PARTNERGATE_PUBLIC_URL"] + "/docs/errors/"},
		{"the digest to put in", m.plugin.Sha256, strings.Repeat("0", 64)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	m.checkLabels(t)
	m.checkSettings(t, manager)
	bootstrap := m.gateway.Template.Metadata.Annotations["sidecar.istio.io/bootstrapOverride"]
	if m.configs[bootstrap]["custom_bootstrap.json"] == "" {
		t.Errorf("there is no bootstrap %q", bootstrap)
	}
}

// checkLabels looks whether everything that selects the gateway's pods, or the manager's, does.
func (m *manifests) checkLabels(t *testing.T) {
	t.Helper()
	pods := func(name string, labels map[string]string, selectors ...map[string]string) {
		for i, selector := range selectors {
			for label, value := range selector {
				if labels[label] != value {
					t.Errorf("selector %d of %s wants %s=%s; its pods have %v", i, name, label, value, labels)
				}
			}
			if len(selector) == 0 {
				t.Errorf("selector %d of %s is empty", i, name)
			}
		}
	}
	pods("the manager", m.manager.Template.Metadata.Labels, m.manager.Selector.MatchLabels, m.services["partnergate"].Selector)
	pods("the gateway", m.gateway.Template.Metadata.Labels, m.gateway.Selector.MatchLabels, m.services["partner-gateway"].Selector,
		m.plugin.Selector.MatchLabels, m.filter.WorkloadSelector.Labels, m.telemetry.Selector.MatchLabels, m.entry.Selector)
	for _, kind := range []string{"WasmPlugin", "EnvoyFilter", "Telemetry", "Gateway", "ConfigMap"} {
		if m.places[kind] != m.places["Deployment"] {
			t.Errorf("the %s is in %s, and the gateway in %s", kind, m.places[kind], m.places["Deployment"])
		}
	}
}

// checkSettings looks for each variable of the manager among the settings of docs/operations.md.
func (m *manifests) checkSettings(t *testing.T, manager container) {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range settings(manager) {
		if !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("the manager has no setting %s", name)
		}
	}
}

func settings(c container) map[string]string {
	all := map[string]string{}
	for _, v := range c.Env {
		all[v.Name] = v.Value
	}
	return all
}

// pluginConfig is the filter's configuration, as far as other manifests must fit it.
func (m *manifests) pluginConfig(t *testing.T) (config struct {
	Manager struct {
		Cluster   string `json:"cluster"`
		Authority string `json:"authority"`
		TokenEnv  string `json:"token_env"`
	} `json:"manager"`
	ErrorsURL string `json:"errors_url"`
}) {
	t.Helper()
	strictly(t, "the plugin's configuration", m.configuration(t), &config)
	return config
}

// configuration is the filter's configuration as Istio hands it on: pluginConfig as JSON.
func (m *manifests) configuration(t *testing.T) []byte {
	t.Helper()
	text, err := protojson.Marshal(m.plugin.PluginConfig)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const topaz = `
{apiVersion: partnergate.dev/v1alpha1, kind: Plan, metadata: {name: topaz}, spec: {limits: [{name: monthly, quota: {requests: 5, per: month}}]}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Partner, metadata: {name: topaz}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Application, metadata: {name: app, partner: topaz}, spec: {}}
---
{apiVersion: partnergate.dev/v1alpha1, kind: Subscription, metadata: {name: payments, partner: topaz}, spec: {product: payments, environment: sandbox, plan: topaz}}
`

// topazQuota is how many requests a month Topaz has.
const topazQuota = 5

// istioRun is an Envoy with what Istio makes of the manifests, in front of a backend of its own: who shares one waits for every Envoy
// that it has heard of.
type istioRun struct {
	*backend
	envoy  *Envoy
	access AccessLog
	tally  tally
	key    string // "x-api-key: " and Topaz's
}

// TestIstioConfigurationInEnvoy makes of the manifests what Istio makes of them for a gateway, and calls through the real Envoy: no
// vm_id, the configuration as JSON in a StringValue, the module fetched from the manager as the proxy's agent does, the manager
// behind the name that Istio gives its Service.
func TestIstioConfigurationInEnvoy(t *testing.T) {
	module(t)
	r := startIstio(t)
	admitted := r.call(t, "/payments//charges/./ch_1?secret=1", r.key) // one spelling, before the filter sees it
	expect(t, admitted, http.StatusOK, "admitted")
	expect(t, r.call(t, "/risk/feeds", r.key), http.StatusNotFound, "operation_not_found")
	for range topazQuota - 1 {
		expect(t, r.call(t, "/payments/charges", strings.Replace(r.key, "x-api-key:", "authorization: Bearer", 1)), http.StatusOK, "admitted")
	}
	refused := r.call(t, "/payments/charges", r.key)
	expect(t, refused, http.StatusTooManyRequests, "limit_exceeded")
	r.awaitUsage(t, &r.tally, "topaz")
	r.refusesEscapedSlashes(t)
	r.told(t, admitted, refused)
	r.wantNode(t, istioNode)
	noReloads(t, r.envoy)
}

func startIstio(t *testing.T) *istioRun {
	t.Helper()
	m, r := readManifests(t), &istioRun{backend: started(t, startBackend, (*backend).stop)}
	r.applySample(t)
	if _, err := r.applyYAML(t.Context(), topaz); err != nil {
		t.Fatal(err)
	}
	key := r.backend.key(t, "topaz", "app", "sandbox")
	r.key = "x-api-key: " + key.Key
	r.envoy = startEnvoy(t, Options{Config: m.envoyConfig(t, r.backend, fetchModule(t, m, r.backend)), EdgeToken: edgeToken, AccessLog: &r.access})
	r.awaitPolicy(t, key.PolicyVersion, r.envoy.Address())
	return r
}

// call makes a call of Topaz's, and counts it.
func (r *istioRun) call(t *testing.T, target, header string) answer {
	t.Helper()
	q := request{method: http.MethodGet, target: target, host: sandboxHost, headers: []string{header}}
	a, err := askPatiently(r.envoy.Address(), q, func(a answer) { r.tally.add("topaz", a.outcome()) })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refusesEscapedSlashes is Envoy's own 400, before the filter, since the EnvoyFilter asks for it.
func (r *istioRun) refusesEscapedSlashes(t *testing.T) {
	t.Helper()
	a, err := ask(r.envoy.Address(), request{method: http.MethodGet, target: "/payments%2fcharges", host: sandboxHost, headers: []string{r.key}})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, a, http.StatusBadRequest, "")
}

// told looks for Topaz's requests in the access log and in Envoy's metrics.
func (r *istioRun) told(t *testing.T, admitted, refused answer) {
	t.Helper()
	checkAccess(t, &r.access, admitted.header.Get("X-Request-Id"), Access{Status: http.StatusOK, Outcome: "admitted", Method: http.MethodGet,
		Host: sandboxHost, Path: "/payments/charges/ch_1", Upstream: "payments", Partner: "topaz", Application: "app", Product: "payments",
		Environment: "sandbox", Operation: "getCharge", Subscription: "payments"})
	id := refused.header.Get("X-Request-Id")
	if entry := awaitAccess(t, &r.access, func(a Access) bool { return a.RequestID == id }); entry.Limit != "monthly" {
		t.Errorf("the access log has %+v", entry)
	}
	metrics, err := r.envoy.Admin(t.Context(), "/stats/prometheus?filter=partnergate")
	if err != nil {
		t.Fatal(err)
	}
	if !hasSeries(string(metrics), "partnergate_requests", []string{`partner="topaz"`, `product="payments"`, `environment="sandbox"`, `outcome="admitted"`}) {
		t.Errorf("Envoy's metrics lack Topaz:\n%s", aboutRequests(metrics))
	}
}

// wantNode looks for a proxy among those that the manager knows.
func (b *backend) wantNode(t *testing.T, node string) {
	t.Helper()
	proxies, err := b.Proxies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range proxies {
		if p.Node == node {
			return
		}
	}
	t.Errorf("the manager does not know the proxy %s: %+v", node, proxies)
}

// fetchModule does what Istio's agent does for each proxy: it fetches what url names, compares the digest, and keeps a file.
func fetchModule(t *testing.T, m *manifests, b *backend) (file string) {
	t.Helper()
	at, err := url.Parse(m.plugin.Url)
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(path string) []byte {
		response, err := http.Get(b.url() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }() // it is read
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %s", path, err, response.Status)
		}
		return body
	}
	content := fetch(at.Path)
	sum := sha256.Sum256(content)
	if told := strings.Fields(string(fetch(at.Path + ".sha256"))); len(told) == 0 || told[0] != hex.EncodeToString(sum[:]) {
		t.Errorf("the manager tells the digest %v of a module whose digest is %x", told, sum)
	}
	file = filepath.Join(t.TempDir(), "module.wasm")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
