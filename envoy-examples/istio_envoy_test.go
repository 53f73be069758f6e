package envoyexamples

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	extensions "istio.io/api/extensions/v1alpha1"
)

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
