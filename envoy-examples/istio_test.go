package envoyexamples

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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

// TestIstioConfigurationInEnvoy makes of the manifests what Istio makes of them for a gateway, and calls through the real Envoy: no
// vm_id, the configuration as JSON in a StringValue, the module fetched from the manager as the proxy's agent does, the manager
// behind the name that Istio gives its Service.
func TestIstioConfigurationInEnvoy(t *testing.T) {
	module(t)
	m := readManifests(t)
	b := started(t, startBackend, (*backend).stop) // of its own: who shares one waits for every Envoy that it has heard of
	b.applySample(t)
	if _, err := b.applyYAML(t.Context(), topaz); err != nil {
		t.Fatal(err)
	}
	key := b.key(t, "topaz", "app", "sandbox")
	var access AccessLog
	config := m.envoyConfig(t, b, fetchModule(t, m, b))
	envoy := startEnvoy(t, Options{Config: config, EdgeToken: edgeToken, AccessLog: &access})
	b.awaitPolicy(t, key.PolicyVersion, envoy.Address())

	var counted tally
	call := func(target string, headers ...string) answer {
		t.Helper()
		a, err := askPatiently(envoy.Address(), request{method: http.MethodGet, target: target, host: sandboxHost, headers: headers},
			func(a answer) { counted.add("topaz", a.outcome()) })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	withKey := "x-api-key: " + key.Key
	admitted := call("/payments//charges/./ch_1?secret=1", withKey) // one spelling, before the filter sees it
	expect(t, admitted, http.StatusOK, "admitted")
	expect(t, call("/risk/feeds", withKey), http.StatusNotFound, "operation_not_found")
	for range topazQuota - 1 {
		expect(t, call("/payments/charges", "authorization: Bearer "+key.Key), http.StatusOK, "admitted")
	}
	refused := call("/payments/charges", withKey)
	expect(t, refused, http.StatusTooManyRequests, "limit_exceeded")
	b.awaitUsage(t, &counted, "topaz")
	if a, err := ask(envoy.Address(), request{method: http.MethodGet, target: "/payments%2fcharges", host: sandboxHost, headers: []string{withKey}}); err != nil || a.status != http.StatusBadRequest || a.outcome() != "" {
		t.Errorf("an escaped slash: %v, %d %s; want Envoy's own 400", err, a.status, a.body)
	}
	checkAccess(t, &access, admitted.header.Get("X-Request-Id"), Access{Status: http.StatusOK, Outcome: "admitted", Method: http.MethodGet, Host: sandboxHost,
		Path: "/payments/charges/ch_1", Upstream: "payments", Partner: "topaz", Application: "app", Product: "payments", Environment: "sandbox",
		Operation: "getCharge", Subscription: "payments"})
	if entry := awaitAccess(t, &access, func(a Access) bool { return a.RequestID == refused.header.Get("X-Request-Id") }); entry.Limit != "monthly" {
		t.Errorf("the access log has %+v", entry)
	}
	metrics, err := envoy.Admin(t.Context(), "/stats/prometheus?filter=partnergate")
	if err != nil {
		t.Fatal(err)
	}
	if !hasSeries(string(metrics), "partnergate_requests", []string{`partner="topaz"`, `product="payments"`, `environment="sandbox"`, `outcome="admitted"`}) {
		t.Errorf("Envoy's metrics lack Topaz:\n%s", aboutRequests(metrics))
	}
	b.wantNode(t, istioNode)
	noReloads(t, envoy)
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

// istioNode is a node id in the form that Istio gives gateways.
const istioNode = "router~127.0.0.1~partner-gateway-0.partner-gateway~partner-gateway.svc.cluster.local"

type object = map[string]any

// envoyConfig is what Istio makes of the manifests, as far as they say something of it. Clusters and the listener's address are the test's.
func (m *manifests) envoyConfig(t *testing.T, b *backend, module string) []byte {
	t.Helper()
	var bootstrap object
	if err := json.Unmarshal([]byte(m.configs["partner-gateway-bootstrap"]["custom_bootstrap.json"]), &bootstrap); err != nil {
		t.Fatal(err)
	}
	manager := m.pluginConfig(t).Manager.Cluster
	config := object{
		"node":  object{"id": istioNode, "cluster": "partner-gateway.partner-gateway"},
		"admin": object{"address": socket(0)},
		"stats_config": object{ // as in Istio's bootstrap: few metrics are kept
			"use_all_default_tags": false,
			"stats_matcher":        object{"inclusion_list": object{"patterns": []any{object{"prefix": "server"}, object{"prefix": "wasm"}}}},
		},
		"static_resources": object{
			"listeners": []any{object{"name": "0.0.0.0_8443", "address": socket(0), "filter_chains": []any{object{"filters": []any{m.connectionManager(t, module)}}}}},
			"clusters":  []any{staticCluster(manager, b.port()), staticCluster("payments", b.payments.port())},
		},
	}
	return asJSON(t, merged(config, bootstrap))
}

// connectionManager is Istio's for a gateway, with what the EnvoyFilter merges into it.
func (m *manifests) connectionManager(t *testing.T, module string) any {
	t.Helper()
	filter := func(name, message string) object {
		return object{"name": name, "typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http." + message}}
	}
	own := object{
		"name": "envoy.filters.network.http_connection_manager",
		"typed_config": object{
			"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
			"stat_prefix": "outbound_0.0.0.0_8443", "use_remote_address": true, "normalize_path": true, "server_name": "istio-envoy",
			"access_log": []any{m.accessLog(t)},
			"http_filters": []any{
				m.wasmFilter(t, module), filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
				filter("envoy.filters.http.cors", "cors.v3.Cors"), filter("envoy.filters.http.router", "router.v3.Router"),
			},
			"route_config": object{"virtual_hosts": []any{object{"name": "all", "domains": []any{"*"}, "routes": []any{
				object{"match": object{"prefix": "/"}, "route": object{"cluster": "payments"}},
			}}}},
		},
	}
	return merged(own, m.filter.ConfigPatches[0].Patch.Value.AsMap())
}

// wasmFilter is what Istio makes of the WasmPlugin, after the proxy's agent has fetched the module.
func (m *manifests) wasmFilter(t *testing.T, module string) object {
	t.Helper()
	failure, known := map[extensions.FailStrategy]string{
		extensions.FailStrategy_FAIL_CLOSE: "FAIL_CLOSED", extensions.FailStrategy_FAIL_RELOAD: "FAIL_RELOAD",
	}[m.plugin.FailStrategy]
	if !known {
		t.Fatalf("%v lets requests through", m.plugin.FailStrategy)
	}
	var host []any
	for _, v := range m.plugin.VmConfig.Env {
		host = append(host, v.Name)
	}
	name := "extensions.istio.io/wasmplugin/" + m.places["WasmPlugin"] + ".partnergate"
	return object{"name": name, "typed_config": object{
		"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
		"config": object{
			"name": m.places["WasmPlugin"] + ".partnergate", "root_id": m.plugin.PluginName, "failure_policy": failure,
			"configuration": object{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": string(m.configuration(t))},
			"vm_config": object{
				"runtime": "envoy.wasm.runtime.v8", "code": object{"local": object{"filename": module}},
				"environment_variables": object{"host_env_keys": host},
			},
		},
	}}
}

// accessLog is what Istio makes of the provider.
func (m *manifests) accessLog(t *testing.T) object {
	t.Helper()
	provider := m.mesh.ExtensionProviders[0].GetEnvoyFileAccessLog()
	return object{"name": "envoy.access_loggers.file", "typed_config": object{
		"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
		"path":  provider.Path, "log_format": object{"json_format": provider.LogFormat.GetLabels().AsMap()},
	}}
}

func socket(port int) object {
	return object{"socket_address": object{"address": "127.0.0.1", "port_value": port}}
}

func staticCluster(name string, port int) object {
	return object{"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": object{"cluster_name": name,
		"endpoints": []any{object{"lb_endpoints": []any{object{"endpoint": object{"address": socket(port)}}}}}}}
}

// merged is a with b in it, as protobuf merges: mappings key by key, lists one after the other.
func merged(a, b object) object {
	all := object{}
	maps.Copy(all, a)
	for key, value := range b {
		switch value := value.(type) {
		case object:
			inner, _ := all[key].(object)
			all[key] = merged(inner, value)
		case []any:
			before, _ := all[key].([]any)
			all[key] = slices.Concat(before, value)
		default:
			all[key] = value
		}
	}
	return all
}
