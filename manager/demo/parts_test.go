package demo

import (
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
)

func TestUpstreamShowsWhatItReceived(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/payments/charges/ch_7?expand=payer", nil)
	r.Host = sandboxHost
	r.Header.Set("X-Partner-Id", "cobalt")
	w := httptest.NewRecorder()
	upstream("payments").ServeHTTP(w, r)
	var got struct {
		ID       string
		Received received
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK || got.ID == "" || got.Received.Path != "/payments/charges/ch_7" || got.Received.Query != "expand=payer" ||
		got.Received.Host != sandboxHost || got.Received.Partner["x-partner-id"] != "cobalt" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// The upstreams answer every operation of the estate's documents with a status that the document has.
func TestUpstreamsAnswerEveryOperation(t *testing.T) {
	parameter := regexp.MustCompile(`\{[^}]+\}`)
	for _, product := range []string{"payments", "risk"} {
		data, err := fs.ReadFile(envoyexamples.Estate, "openapi/"+product+".yaml")
		if err != nil {
			t.Fatal(err)
		}
		document, err := openapi3.NewLoader().LoadFromData(data)
		if err != nil {
			t.Fatal(err)
		}
		for path, item := range document.Paths.Map() {
			for method, operation := range item.Operations() {
				w := httptest.NewRecorder()
				upstream(product).ServeHTTP(w, httptest.NewRequest(method, "/"+product+parameter.ReplaceAllString(path, "x1"), nil))
				if operation.Responses.Value(strconv.Itoa(w.Code)) == nil || w.Code >= 300 {
					t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
				}
			}
		}
	}
	w := httptest.NewRecorder()
	upstream("risk").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/risk/nothing", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("nothing: %d", w.Code)
	}
}

func TestStateIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.json")
	first, err := loadState(path)
	if err != nil {
		t.Fatal(err)
	}
	password := first.password("dana@cobalt.example")
	if err := first.save(); err != nil {
		t.Fatal(err)
	}
	second, err := loadState(path)
	if err != nil {
		t.Fatal(err)
	}
	if second.AdminToken != first.AdminToken || second.EdgeToken != first.EdgeToken || second.password("dana@cobalt.example") != password {
		t.Error("a second run has other tokens or passwords")
	}
	if len(first.AdminToken) < 32 || first.AdminToken == first.EdgeToken || len(password) < 12 {
		t.Errorf("weak: %+v", first)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadState(path); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("damaged: %v", err)
	}
}

// Every port that is taken is named, with its flag, before anything starts.
func TestTakenPorts(t *testing.T) {
	var ports []int
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }() // nobody connects
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	err := Ports{Manager: ports[0], Risk: ports[1]}.check(Embedded, 1, false)
	if err == nil {
		t.Fatal("taken ports are accepted")
	}
	for _, want := range []string{
		"port " + strconv.Itoa(ports[0]) + ", for the manager, is taken", "--manager-port", "ss -ltnp",
		"port " + strconv.Itoa(ports[1]) + ", for the risk upstream, is taken", "--risk-port", "--port-offset", "a folder of its own", "--data",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if err := (Ports{}).check(Envoy, 2, true); err != nil {
		t.Errorf("free ports: %v", err)
	}
	if shifted := DefaultPorts.Shift(100); shifted.Manager != 8180 || shifted.EnvoyAdmin != 10001 {
		t.Errorf("shifted: %+v", shifted)
	}
}
