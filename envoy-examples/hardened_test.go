package envoyexamples

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tlsListener is the hardened example's listener with its comment on TLS taken as it says, beside the one as the file has it.
const tlsListener = "edge-tls"

// withTLS adds that listener, with a certificate made in dir.
func withTLS(config []byte, dir string) ([]byte, error) {
	certificate, key := certificateFiles(dir)
	if err := makeCertificate(certificate, key); err != nil {
		return nil, err
	}
	before, rest, _ := strings.Cut(string(config), "    - name: edge\n")
	listener, after, found := strings.Cut(rest, "\n  clusters:\n")
	if !found {
		return nil, fmt.Errorf("the hardened example has no listener named edge before its clusters")
	}
	encrypted := strings.NewReplacer("/etc/envoy/tls.crt", certificate, "/etc/envoy/tls.key", key).Replace(uncommented(listener, "transport_socket:"))
	return []byte(before + "    - name: edge\n" + listener + "\n    - name: " + tlsListener + "\n" + encrypted + "\n  clusters:\n" + after), nil
}

// uncommented takes the hashes off a block of YAML that begins with a word.
func uncommented(text, word string) string {
	lines := strings.Split(text, "\n")
	inside := false
	for i, line := range lines {
		spaces, comment, found := strings.Cut(line, "# ")
		inside = found && strings.TrimSpace(spaces) == "" && (inside || comment == word)
		if inside {
			lines[i] = spaces + comment
		}
	}
	return strings.Join(lines, "\n")
}

func certificateFiles(dir string) (certificate, key string) {
	return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
}

// makeCertificate writes one for the hosts of the sample estate's sandbox, signed by itself.
func makeCertificate(certificateFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{sandboxHost}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// hardened is the hardened example in front of the sample estate, and what calls it.
type hardened struct {
	*tappedEnvoy
	backend *backend
	key     string // Delta's, which has both products
	trust   *tls.Config
}

func getHardened(t *testing.T) *hardened {
	t.Helper()
	module(t)
	b := sharedBackend.get(t)
	b.applySample(t)
	key := b.key(t, "delta", "ledger", "sandbox")
	h := &hardened{tappedEnvoy: sharedEdges["hardened"].get(t), backend: b, key: key.Key}
	b.awaitPolicy(t, key.PolicyVersion, h.Address())
	certificate, _ := certificateFiles(b.dir)
	trusted, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	h.trust = &tls.Config{RootCAs: pool, ServerName: sandboxHost}
	return h
}

// TestHardenedSpeaksTLS calls over TLS as clients do that know HTTP/2, and as those that do not: which of the two it is ALPN says, and the
// filters decide the same.
func TestHardenedSpeaksTLS(t *testing.T) {
	h := getHardened(t)
	for alpn, protocol := range map[string]string{"h2": "HTTP/2.0", "http/1.1": "HTTP/1.1", "": "HTTP/1.1"} {
		client := h.client(t, alpn)
		for _, c := range []struct {
			path, key string
			status    int
			code      string
		}{
			{"/risk/feeds", h.key, 200, ""},
			{"/risk/feeds", "", 401, "credential_missing"},
			{"/risk/nothing", h.key, 404, "operation_not_found"},
			{"/risk/%2e%2e%2fpayments/charges", h.key, 400, ""}, // by Envoy
		} {
			response, body := h.get(t, client, c.path, c.key)
			if response.StatusCode != c.status || response.Proto != protocol || response.TLS.NegotiatedProtocol != alpn || !strings.Contains(body, c.code) {
				t.Errorf("%s: %s: got %s over %s (ALPN %q), want %d %s\n%s",
					alpn, c.path, response.Status, response.Proto, response.TLS.NegotiatedProtocol, c.status, c.code, body)
			}
		}
	}
	noReloads(t, h.Envoy)
}

// client offers one protocol by ALPN, or none.
func (h *hardened) client(t *testing.T, alpn string) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: h.trust.Clone(), Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(alpn == "h2")
	transport.Protocols.SetHTTP1(alpn != "h2")
	if alpn != "" {
		transport.TLSClientConfig.NextProtos = []string{alpn}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get asks over TLS, again where a lease was not there in time.
func (h *hardened) get(t *testing.T, client *http.Client, path, key string) (response *http.Response, body string) {
	t.Helper()
	poll(t, "no lease comes", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.Addresses()[tlsListener]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = sandboxHost
		if key != "" {
			r.Header.Set("X-Api-Key", key)
		}
		if response, err = client.Do(r); err != nil {
			t.Fatal(err)
		}
		body = bodyOf(t, response)
		return !strings.Contains(body, "limit_unavailable")
	})
	return response, body
}

// TestHardenedTakesUpgradesWhereARouteSaysSo opens WebSockets, with and without TLS: where the route takes them and the filters admit the
// call they pass, and nowhere else.
func TestHardenedTakesUpgradesWhereARouteSaysSo(t *testing.T) {
	h := getHardened(t)
	for _, name := range []string{"edge", tlsListener} {
		for _, c := range []struct {
			path, key string
			status    int
		}{
			{"/risk/feeds", h.key, 101},
			{"/risk/feeds", "", 401},
			{"/risk/nothing", h.key, 404},
			{"/payments/charges", h.key, 403}, // its route takes none
		} {
			arrived := h.backend.arrived()
			connection, status := h.upgrade(t, name, c.path, c.key)
			if status != c.status {
				t.Errorf("%s: %s: got %d, want %d", name, c.path, status, c.status)
			}
			if passed := h.backend.arrived() != arrived; passed != (c.status == http.StatusSwitchingProtocols) {
				t.Errorf("%s: %s: it came to the upstream: %t", name, c.path, passed)
			}
			if status == http.StatusSwitchingProtocols {
				echoes(t, connection, "hello")
			}
			_ = connection.Close()
		}
	}
	noReloads(t, h.Envoy)
}

// upgrade asks for a WebSocket, again where a lease was not there in time.
func (h *hardened) upgrade(t *testing.T, listener, path, key string) (connection net.Conn, status int) {
	t.Helper()
	poll(t, "no lease comes", func() bool {
		connection, status = askUpgrade(t, h.dial(t, listener), sandboxHost, path, key)
		return status != http.StatusServiceUnavailable
	})
	return connection, status
}

func (h *hardened) dial(t *testing.T, listener string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", h.Addresses()[listener])
	if err != nil {
		t.Fatal(err)
	}
	if listener == tlsListener {
		connection = tls.Client(connection, h.trust.Clone())
	}
	return connection
}
