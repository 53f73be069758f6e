package envoyexamples

import (
	"fmt"
	"path/filepath"
	"strings"
)

// labFilter is one plugin of a lab's listener.
type labFilter struct{ root, vm, module, configuration string }

func labPlugin(f labFilter) string {
	return fmt.Sprintf(`
          - name: %[1]s
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: %[1]s
                root_id: %[1]s
                failure_policy: FAIL_RELOAD
                vm_config:
                  vm_id: %[2]s
                  runtime: envoy.wasm.runtime.v8
                  code: {local: {filename: %[3]q}}
                  environment_variables: {host_env_keys: [PARTNERGATE_EDGE_TOKEN]}
                configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: %[4]q}`,
		f.root, f.vm, f.module, f.configuration)
}

// labConfiguration is the filters' configuration. Each authority makes a proxy of its own out of the plugins that have it.
func labConfiguration(authority, cluster, more string) string {
	return `{"manager": {"cluster": "` + cluster + `", "authority": "` + authority + `", "token_env": "PARTNERGATE_EDGE_TOKEN"}` + more + `}`
}

var labRoots = []string{"partner-resolution", "catalog-gate", "quota"}

func labChain(vm, module, configuration string, roots ...string) (filters []labFilter) {
	for _, root := range roots {
		filters = append(filters, labFilter{root, vm, module, configuration})
	}
	return filters
}

// labConfig is Envoy's configuration of the lab. The bootstrap is of two minutes ago.
func labConfig(faulty, bootstrap string, managerPort int, upstream string) string {
	single := func(configuration string) (filters []labFilter) {
		for _, root := range labRoots {
			filters = append(filters, labFilter{root, "partnergate", filepath.Join(filepath.Dir(modulePath), root+".wasm"), configuration})
		}
		return filters
	}
	listeners := []string{
		labListener("plain", labChain("plain", modulePath, labConfiguration("plain.internal", "partnergate", ""), labRoots...)),
		labListener("shadow", labChain("plain", modulePath, labConfiguration("plain.internal", "partnergate", `, "mode": "shadow"`), labRoots...)),
		labListener("singles", single(labConfiguration("singles.internal", "partnergate", ""))),
		labListener("faults", labChain("faults", faulty, labConfiguration("faults.internal", "partnergate", ""), labRoots...)),
		labListener("combined", labChain("plain", modulePath, labConfiguration("plain.internal", "partnergate", ""), "partnergate")),
		labListener("filter_missing", labChain("plain", modulePath, labConfiguration("plain.internal", "partnergate", ""), "quota")),
		labListener("filter_error", labChain("plain", modulePath, `{"manager": 1}`, labRoots...)),
		labListener("policy_unavailable", labChain("plain", modulePath, labConfiguration("nowhere.internal", "nowhere", ""), labRoots...)),
		labListener("policy_stale", labChain("plain", modulePath, labConfiguration("stale.internal", "nowhere", `, "max_stale": "1m", "bootstrap": "`+bootstrap+`"`), "partnergate")),
		labListener("limit_unavailable", labChain("plain", modulePath, labConfiguration("bootstrapped.internal", "nowhere", `, "bootstrap": "`+bootstrap+`"`), "partnergate")),
	}
	host, port, _ := strings.Cut(upstream, ":")
	return fmt.Sprintf(`
node: {id: lab, cluster: lab}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
stats_config:
  stats_tags:
  - {tag_name: partner, regex: '(;\.partner=(.*?)\.;)'}
  - {tag_name: product, regex: '(;\.product=(.*?)\.;)'}
  - {tag_name: environment, regex: '(;\.environment=(.*?)\.;)'}
  - {tag_name: outcome, regex: '(;\.outcome=(.*?)\.;)'}
static_resources:
  listeners:%s
  clusters:%s%s%s
`, strings.Join(listeners, ""), labCluster("upstream", host, port), labCluster("partnergate", "127.0.0.1", fmt.Sprint(managerPort)), labCluster("nowhere", "127.0.0.1", "1"))
}

func labCluster(name, host, port string) string {
	return fmt.Sprintf(`
  - name: %[1]s
    type: STATIC
    connect_timeout: 1s
    per_connection_buffer_limit_bytes: 32768
    load_assignment: {cluster_name: %[1]s, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: %[2]s, port_value: %[3]s}}}}]}]}`, name, host, port)
}

// labListener takes HTTP/1.1, and HTTP/2 without TLS from who begins with its preface. Its routes on headers answer themselves: in
// the test of routes they say which was chosen.
func labListener(name string, filters []labFilter) string {
	var plugins strings.Builder
	for _, f := range filters {
		plugins.WriteString(labPlugin(f))
	}
	return fmt.Sprintf(`
  - name: %[1]s
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    per_connection_buffer_limit_bytes: 32768
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: %[1]s
          codec_type: AUTO
          delayed_close_timeout: 0.01s
          use_remote_address: true
          always_set_request_id_in_response: true
          max_request_headers_kb: 8192
          common_http_protocol_options: {max_headers_count: 2000}
          http_protocol_options: {enable_trailers: true}
          http2_protocol_options: {initial_stream_window_size: 65536, initial_connection_window_size: 1048576}
          upgrade_configs: [{upgrade_type: websocket}]
          access_log:
          - name: stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format:
                json_format:
                  request_id: "%%REQ(X-REQUEST-ID)%%"
                  status: "%%RESPONSE_CODE%%"
                  path: "%%PATH(NQ:PATH)%%"
                  partner: "%%FILTER_STATE(wasm.partnergate.partner:PLAIN)%%"
                  operation: "%%FILTER_STATE(wasm.partnergate.operation:PLAIN)%%"
                  outcome: "%%FILTER_STATE(wasm.partnergate.outcome:PLAIN)%%"
                  limit: "%%FILTER_STATE(wasm.partnergate.limit:PLAIN)%%"
          http_filters:%[2]s
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /lab/ping, headers: [{name: x-route, present_match: true}, {name: x-partner-id, string_match: {exact: lab-route}}]}
                direct_response: {status: 200, body: {inline_string: by-partner}}
              - match: {prefix: /lab/ping, headers: [{name: x-route, present_match: true}, {name: x-partner-tier, present_match: true}]}
                direct_response: {status: 200, body: {inline_string: by-forged-header}}
              - match: {prefix: /lab/ping, headers: [{name: x-route, present_match: true}, {name: x-api-key, present_match: true}]}
                direct_response: {status: 200, body: {inline_string: by-key}}
              - match: {prefix: /lab/ping, headers: [{name: x-route, present_match: true}]}
                direct_response: {status: 200, body: {inline_string: by-path}}
              - match: {path: /lab/hang, headers: [{name: x-short, present_match: true}]}
                route: {cluster: upstream, timeout: 0.05s}
              - match: {prefix: /}
                route: {cluster: upstream, timeout: 0s}`, name, plugins.String())
}
