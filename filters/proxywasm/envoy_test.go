//go:build !wasip1

package proxywasm_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
)

func TestToyInEnvoy(t *testing.T) {
	file, err := toyFile()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(upstream))
	defer server.Close()
	var log bytes.Buffer
	envoy, err := envoyexamples.Launch(t.Context(), envoyexamples.Options{
		Config:  toyConfig(file, strings.TrimPrefix(server.URL, "http://127.0.0.1:")),
		Workers: 1,
		Log:     &log,
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if err := envoy.Stop(); err != nil {
			t.Error(err)
		}
	}
	defer stop()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	send := func(path string) (*http.Response, error) { return client.Do(toyRequest(envoy.URL(), path)) }
	checkExchanges(t, send)
	state := envoyState(t, send)
	if state["root"] != "toy-root" || state["configuration"] != "hello" || state["env"] != "story" ||
		state["panics"] != strconv.Itoa(panicsIn) {
		t.Errorf("state %v", state)
	}
	awaitTicks(t, send)
	stop() // its log is whole only now
	if strings.Contains(log.String(), " toy: toy: ") {
		t.Errorf("the toy logged an error:\n%s", log.String())
	}
	if panics := strings.Count(log.String(), " panicked: "); panics != panicsIn {
		t.Errorf("%d panics logged, want %d", panics, panicsIn)
	}
}

// awaitTicks asks until the plugin's timer has run and its call was answered.
func awaitTicks(t *testing.T, send func(path string) (*http.Response, error)) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		state := envoyState(t, send)
		if number(t, state["ticks"]) >= 3 && state["calls"] == "1" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no ticks, or no answer to the call of the first: %v", state)
		}
	}
}

func envoyState(t *testing.T, send func(path string) (*http.Response, error)) map[string]string {
	t.Helper()
	response, err := send("/state")
	if err != nil {
		t.Fatal(err)
	}
	return parseState(readAll(t, response))
}

// toyConfig is a listener with the toy as its only filter, in front of the port.
func toyConfig(file, port string) []byte {
	return fmt.Appendf(nil, `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: edge
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          http_protocol_options: {enable_trailers: true}
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: upstream}}]}]}
          http_filters:
          - name: toy
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: toy
                root_id: toy-root
                configuration: {"@type": type.googleapis.com/google.protobuf.StringValue, value: hello}
                vm_config:
                  vm_id: toy
                  runtime: envoy.wasm.runtime.v8
                  environment_variables: {key_values: {TOY: story}}
                  code: {local: {filename: %q}}
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: upstream
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http_protocol_options: {enable_trailers: true}}
    load_assignment:
      cluster_name: upstream
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %s}}}}]}]
`, file, port)
}
