package envoyexamples

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager/mongo/mongod"
)

// Set in the process that TestEnvoyEndsWithItsParent starts and kills, to the folder that it may use.
const parentVariable = "PARTNERGATE_TEST_ENVOY_PARENT"

func TestWithoutManagerNothingReachesAnUpstream(t *testing.T) {
	for _, example := range chained {
		t.Run(example, func(t *testing.T) {
			var access AccessLog
			port, err := mongod.FreePort(t.Context()) // at which nobody listens
			if err != nil {
				t.Fatal(err)
			}
			envoy := startEnvoy(t, Options{
				Example:   example,
				Places:    Places{Manager: port, Payments: port, Risk: port, Module: module(t)},
				EdgeToken: strings.Repeat("t", 32),
				Workers:   1,
				AccessLog: &access,
			})
			a, err := ask(envoy.Address(), request{method: http.MethodGet, target: "/payments/charges?page=2", host: sandboxHost})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, a, http.StatusServiceUnavailable, "policy_unavailable")
			id := a.header.Get("X-Request-Id")
			entry := awaitAccess(t, &access, func(a Access) bool { return a.RequestID == id })
			if entry.Status != 503 || entry.Outcome != "policy_unavailable" || entry.Path != "/payments/charges" {
				t.Errorf("access log: %+v", entry)
			}
			metrics, err := envoy.Admin(t.Context(), "/stats/prometheus?filter=partnergate_requests")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(metrics), `outcome="policy_unavailable"`) {
				t.Errorf("no refusal among the metrics:\n%s", metrics)
			}
		})
	}
}

func TestLaunchTellsWhyEnvoyDidNotStart(t *testing.T) {
	_, err := Launch(t.Context(), Options{Config: []byte("static_resources: {listener: []}\n")})
	if err == nil || !strings.Contains(err.Error(), "has unknown fields") {
		t.Errorf("got %v, want Envoy's own words", err)
	}
}

func TestMissingEnvoyNamesTheRemedy(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	_, err := Launch(t.Context(), Options{Places: Places{Manager: 1, Payments: 1, Risk: 1, Module: "m"}})
	if err == nil || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("got %v, want an error that names make tools", err)
	}
}

func TestEnvoyEndsWithItsParent(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), program)
	parent.Env = append(os.Environ(), parentVariable+"="+t.TempDir())
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	parent.Stderr = os.Stderr
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the parent said no address: %v", err)
	}
	connection, err := net.Dial("tcp", strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended well, and should have been killed")
	}
	// The kernel closes the connection when Envoy is gone; the deadline only bounds a failure.
	if err := connection.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("Envoy outlived its parent: %v", err)
	}
}

func beParent(dir string) int {
	envoy, err := Launch(context.Background(), Options{Config: []byte(bareConfig), Workers: 1, Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(envoy.Address())
	<-envoy.Exited()
	return 1
}

// A listener and nothing behind it.
const bareConfig = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
    - name: edge
      address: {socket_address: {address: 127.0.0.1, port_value: 0}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: edge
                cluster: hold
  clusters:
    - name: hold
      type: STATIC
`

func TestAccessLogTakesLinesInPieces(t *testing.T) {
	var access AccessLog
	line, err := json.Marshal(Access{RequestID: "r-1", Status: 200})
	if err != nil {
		t.Fatal(err)
	}
	found := make(chan Access)
	go func() {
		entry, err := access.Await(t.Context(), func(a Access) bool { return a.RequestID == "r-1" })
		if err != nil {
			t.Error(err)
		}
		found <- entry
	}()
	for _, piece := range []string{string(line[:5]), string(line[5:]), "\n"} {
		if _, err := access.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if entry := <-found; entry.Status != 200 {
		t.Errorf("got %+v", entry)
	}
	if _, err := access.Write([]byte("not json\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := access.Await(t.Context(), func(Access) bool { return false }); err == nil {
		t.Error("a line that is no JSON went unnoticed")
	}
}
