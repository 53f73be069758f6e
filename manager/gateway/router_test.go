package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echo answers what it received: name, target and Host.
func echo(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, name+" "+r.Method+" "+r.RequestURI+" "+r.Host)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestRouting(t *testing.T) {
	r, err := newRouter([]Upstream{
		{"/", echo(t, "rest")}, {"/risk", echo(t, "risk")}, {"/risk/feeds", echo(t, "feeds")},
	})
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(r)
	defer gateway.Close()
	for target, want := range map[string]string{
		"/":                       "rest GET / api.test",
		"/risk":                   "risk GET /risk api.test",
		"/risk?x=1":               "risk GET /risk?x=1 api.test",
		"/riskier":                "rest GET /riskier api.test",
		"/risk/feeds/7":           "feeds GET /risk/feeds/7 api.test",
		"/a?":                     "rest GET /a? api.test",
		"/%76%31/pay;a=b?q=%zz+1": "rest GET /%76%31/pay;a=b?q=%zz+1 api.test",
		"/v1/a%2Fb/%C3%BC/!$&'":   "rest GET /v1/a%2Fb/%C3%BC/!$&' api.test",
	} {
		if got := get(t, gateway.Listener.Addr().String(), target); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// get sends a target byte for byte.
func get(t *testing.T, address, target string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the answer is read
	if _, err := io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestUnreachableUpstream(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	r, err := newRouter([]Upstream{{"/", gone.URL}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "does not answer") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestParseUpstream(t *testing.T) {
	if u, err := ParseUpstream("/payments/=http://127.0.0.1:9001"); err != nil || u != (Upstream{"/payments", "http://127.0.0.1:9001"}) {
		t.Errorf("got %+v, %v", u, err)
	}
	for _, bad := range []string{"payments=http://x", "/payments", ""} {
		if _, err := ParseUpstream(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, bad := range []string{"127.0.0.1:9001", "ftp://x", "http://x/path", ""} {
		if _, err := newRouter([]Upstream{{"/", bad}}); err == nil {
			t.Errorf("the URL %q is accepted", bad)
		}
	}
	if _, err := newRouter(nil); err == nil {
		t.Error("no upstream is accepted")
	}
}
