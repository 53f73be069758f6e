package testharness_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// oracle is a running Envoy with one listener a case. They are sockets of the
// file system: at a port others may call, who mean whoever had it before.
type oracle struct {
	dir     string // holds the sockets, each named as its case
	mu      sync.Mutex
	changed *sync.Cond
	lines   []string // "THREAD LEVEL message"
	ended   bool
}

// patience bounds a failure; nothing is expected to take so long, on a busy machine either.
const patience = 2 * time.Minute

func startEnvoy(t *testing.T) *oracle {
	t.Helper()
	binary, err := filepath.Abs(filepath.Join("..", ".tools", "envoy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("no Envoy at %s: run `make tools` to fetch it", binary)
	}
	upstream, cluster := httptest.NewServer(oracleUpstream), httptest.NewServer(oracleCluster)
	t.Cleanup(upstream.Close)
	t.Cleanup(cluster.Close)
	o := &oracle{dir: t.TempDir()}
	o.changed = sync.NewCond(&o.mu)
	bootstrap := filepath.Join(o.dir, "envoy.json")
	content, err := json.Marshal(o.config(upstream.Listener.Addr(), cluster.Listener.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bootstrap, content, 0o600); err != nil {
		t.Fatal(err)
	}
	adminPath := filepath.Join(o.dir, "admin")
	command := exec.CommandContext(t.Context(), binary, "-c", bootstrap, "--concurrency", "1", "--disable-hot-restart", "--admin-address-path", adminPath,
		"-l", "warning", "--component-log-level", "wasm:info", "--log-format", "%t %l %v")
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); o.read(stderr) }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-read
		_ = command.Wait()
	})
	o.await(t, adminPath)
	return o
}

// read takes Envoy's log apart into thread and message.
func (o *oracle) read(r io.Reader) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		o.mu.Lock()
		o.lines = append(o.lines, scanner.Text())
		o.changed.Broadcast()
		o.mu.Unlock()
	}
	o.mu.Lock()
	o.ended = true
	o.changed.Broadcast()
	o.mu.Unlock()
}

// await returns once Envoy listens.
func (o *oracle) await(t *testing.T, adminPath string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if address, err := os.ReadFile(adminPath); err == nil && len(address) > 0 && ready(string(address)) {
			return
		}
		o.mu.Lock()
		ended, lines := o.ended, strings.Join(o.lines, "\n")
		o.mu.Unlock()
		if ended || time.Now().After(deadline) {
			t.Fatalf("Envoy did not start:\n%s", lines)
		}
		time.Sleep(20 * time.Millisecond) // Envoy tells of its start in no other way
	}
}

func ready(admin string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + admin + "/ready")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (o *oracle) socket(c sameCase) string { return filepath.Join(o.dir, c.name) }

// run sends a case's request to Envoy, as bytes, and collects what its filters
// logged on the worker until the last of them has ended.
func (o *oracle) run(t *testing.T, c sameCase) outcome {
	t.Helper()
	conn, err := net.Dial("unix", o.socket(c))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	r := c.request()
	if _, err := conn.Write(rawRequest(r)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	got := outcomeOf(http.ReadResponse(bufio.NewReader(conn), r))
	got.logs = sinceRequest(o.logsOf(t, c))
	return got
}

func (o *oracle) logsOf(t *testing.T, c sameCase) []string {
	t.Helper()
	giveUp := time.AfterFunc(patience, func() { o.mu.Lock(); defer o.mu.Unlock(); o.ended = true; o.changed.Broadcast() })
	defer giveUp.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		var logs []string
		ends := 0
		for _, line := range o.lines {
			thread, text, _ := strings.Cut(line, " ")
			text, found := strings.CutPrefix(text, "info wasm log ")
			text = strings.TrimPrefix(text, "p ") // not there for root contexts
			rest, ok := strings.CutPrefix(text, c.name+"-")
			ok = ok && found
			if !ok || thread == o.mainThread() {
				continue
			}
			position, message, ok := strings.Cut(rest, " vm: ")
			if !ok {
				position, message, _ = strings.Cut(rest, " "+c.name+": ")
			}
			if message == "end" {
				ends++
			}
			logs = append(logs, c.line(c.name+"-"+position, message))
		}
		if ends >= c.ends() {
			return logs
		}
		if o.ended {
			t.Fatalf("no end was logged:\n%s", strings.Join(logs, "\n"))
		}
		o.changed.Wait()
	}
}

// mainThread is the thread that logged first: it tries every plugin.
func (o *oracle) mainThread() string {
	for _, line := range o.lines {
		if thread, text, _ := strings.Cut(line, " "); strings.HasPrefix(text, "info wasm log") {
			return thread
		}
	}
	return ""
}

func rawRequest(r *http.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Host)
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if r.Body == nil {
		b.WriteString("\r\n")
		return b.Bytes()
	}
	content, _ := io.ReadAll(r.Body)
	if len(r.Trailer) == 0 {
		fmt.Fprintf(&b, "\r\n%s", content)
		return b.Bytes()
	}
	fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: %s\r\n\r\n", len(content), content, r.Trailer.Get("X-Sum"))
	return b.Bytes()
}

type object = map[string]any

func (o *oracle) config(upstream, cluster net.Addr) object {
	var listeners []object
	for _, c := range sameCases {
		listeners = append(listeners, listener(c, o.socket(c)))
	}
	return object{
		"node":  object{"id": "node", "cluster": "testharness"},
		"admin": object{"address": address("127.0.0.1", 0)},
		"static_resources": object{
			"listeners": listeners,
			"clusters":  []object{endpoint("upstream", upstream), endpoint("cluster", cluster)},
		},
	}
}

func address(host string, port int) object {
	return object{"socket_address": object{"address": host, "port_value": port}}
}

func endpoint(name string, at net.Addr) object {
	tcp := at.(*net.TCPAddr)
	return object{"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": object{"cluster_name": name, "endpoints": []object{
		{"lb_endpoints": []object{{"endpoint": object{"address": address(tcp.IP.String(), tcp.Port)}}}},
	}}}
}

func typed(name string, fields object) object {
	fields["@type"] = "type.googleapis.com/" + name
	return fields
}

func listener(c sameCase, socket string) object {
	var filters []object
	for i, lines := range c.chain {
		vmID, policy := c.vmOf(i)
		filters = append(filters, object{"name": rootID(c, i), "typed_config": typed("envoy.extensions.filters.http.wasm.v3.Wasm", object{"config": object{
			"name": "p", "root_id": rootID(c, i), "failure_policy": policy,
			"vm_config":     object{"vm_id": vmID, "runtime": "envoy.wasm.runtime.v8", "code": object{"local": object{"filename": guestPath}}},
			"configuration": typed("google.protobuf.StringValue", object{"value": caseScript(lines)}),
		}})})
	}
	filters = append(filters, object{"name": "router", "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", object{})})
	return object{"name": c.name, "address": object{"pipe": object{"path": socket}}, "filter_chains": []object{{"filters": []object{{
		"name": "hcm", "typed_config": typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", object{
			"stat_prefix": "in", "http_protocol_options": object{"enable_trailers": true}, "http_filters": filters,
			"route_config": object{"virtual_hosts": []object{{"name": "all", "domains": []string{"*"}, "routes": []object{
				{"name": "default", "match": object{"prefix": "/"}, "route": object{"cluster": "upstream"}},
			}}}},
		}),
	}}}}}
}
