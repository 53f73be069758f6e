package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestApplyWithGzip(t *testing.T) {
	a := newAPI(t)
	yaml := []string{"Content-Type", "application/yaml", "Content-Encoding", "gzip"}
	a.must(nil, "POST", "/api/v1/apply", gzipped(t, estate), yaml...)
	a.must(nil, "GET", "/api/v1/partners/acme", "")
	padded := estate
	for range 4 { // none of the documents is too long by itself
		padded += "---\n" + strings.Repeat("# a comment that makes it longer than what is read without gzip\n", 60_000)
	}
	a.must(nil, "POST", "/api/v1/apply", gzipped(t, padded), yaml...)
	for _, c := range []struct {
		name, body, encoding string
		status               int
		code                 string
	}{
		{"a bomb", gzipped(t, strings.Repeat(" ", 65<<20)), "gzip", 413, "too_large"},
		{"no gzip", estate, "gzip", 400, "bad_request"},
		{"cut off", gzipped(t, estate)[:100], "gzip", 400, "bad_request"},
		{"another encoding", estate, "br", 415, "unsupported_media_type"},
		{"too much without", padded, "", 413, "too_large"},
	} {
		got := a.do("POST", "/api/v1/apply", c.body, "Content-Type", "application/yaml", "Content-Encoding", c.encoding)
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
		}
	}
	a.must(nil, "POST", "/api/v1/apply", estate, "Content-Type", "application/yaml") // none of them holds the others up
}

func TestExplainOverHTTP(t *testing.T) {
	a := withEstate(t)
	var e struct {
		Code, Host, Product, Subscription string
		Status                            int
		Steps                             []struct{ Step, Outcome, Saw string }
	}
	a.must(&e, "GET", "/api/v1/explain?partner=acme&environment=sandbox&method=get&path=/v1/pay", "")
	if e.Code != "admitted" || e.Host != "sandbox.api.example.test" || e.Product != "payments" || e.Subscription != "payments-sandbox" || len(e.Steps) != 6 {
		t.Errorf("got %+v", e)
	}
	a.must(&e, "GET", "/api/v1/explain?partner=globex&application=other&environment=sandbox&method=GET&path=/v1/pay", "")
	if last := e.Steps[len(e.Steps)-1]; e.Code != "operation_not_found" || e.Status != 404 || last.Outcome != "refused" || last.Step != "subscription" {
		t.Errorf("got %+v", e)
	}
	for query, status := range map[string]int{
		"":                        422,
		"partner=acme&method=GET": 422,
		"partner=acme&environment=sandbox&path=/":                                    422,
		"partner=acme&environment=sandbox&method=GET":                                422,
		"partner=acme&environment=sandbox&credential=x&method=GET&path=/":            422,
		"partner=nobody&environment=sandbox&method=GET&path=/":                       404,
		"credential=nothing1&method=GET&path=/":                                      404,
		"partner=acme&environment=sandbox&method=GET&path=/&at=tomorrow":             422,
		"partner=acme&application=other&environment=sandbox&method=GET&path=/v1/pay": 404,
	} {
		if got := a.do("GET", "/api/v1/explain?"+query, ""); got.status != status {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

func TestImportOverHTTP(t *testing.T) {
	a := withEstate(t)
	body := func(key string) string {
		return fmt.Sprintf(`{"credentials": [{"partner": "acme", "application": "checkout", "environment": "sandbox", "sha256": "%x", "id": "legacy-1", "expires_at": "2035-01-01T00:00:00Z"}]}`, sha256.Sum256([]byte(key)))
	}
	var result struct {
		Results []struct{ ID, Partner, Action string }
	}
	a.must(&result, "POST", "/api/v1/credentials/import?dry_run=true", body("a-foreign-key"))
	if got := a.do("GET", "/api/v1/credentials/legacy-1", ""); got.status != 404 {
		t.Errorf("a dry run: %d", got.status)
	}
	a.must(&result, "POST", "/api/v1/credentials/import", gzipped(t, body("a-foreign-key")), "Content-Encoding", "gzip")
	if len(result.Results) != 1 || result.Results[0].ID != "legacy-1" || result.Results[0].Action != "created" {
		t.Errorf("got %+v", result)
	}
	got := a.must(nil, "GET", "/api/v1/partners/acme/credentials/legacy-1", "")
	if !strings.Contains(got.body, `"state":"expiring"`) || strings.Contains(got.body, "sha") {
		t.Errorf("the key is %s", got.body)
	}
	for _, bad := range []string{strings.Replace(body("x"), `"sha256": "`, `"sha256": "zz`, 1), strings.Replace(body("x"), `"id"`, `"key"`, 1), `{"credentials": []}`, body("another")} {
		if got := a.do("POST", "/api/v1/credentials/import", bad); got.status != 422 {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
	if strings.Contains(a.log.String(), fmt.Sprintf("%x", sha256.Sum256([]byte("a-foreign-key")))) {
		t.Error("the log has a digest")
	}
}

func TestDeleteOverHTTP(t *testing.T) {
	a := withEstate(t)
	one := `{"resources": [{"kind": "Plan", "name": "starter"}]}`
	if got := a.do("POST", "/api/v1/delete", one); got.status != 409 || got.code() != "needed" {
		t.Errorf("what others need: %d %s", got.status, got.body)
	}
	both := `{"resources": [{"kind": "Plan", "name": "starter"}, {"kind": "Subscription", "partner": "acme", "name": "payments-sandbox"}]}`
	a.must(nil, "POST", "/api/v1/delete?dry_run=true", both)
	a.must(nil, "GET", "/api/v1/plans/starter", "")
	var result struct{ Results []struct{ Action string } }
	if err := json.Unmarshal([]byte(a.must(nil, "POST", "/api/v1/delete", both).body), &result); err != nil || len(result.Results) != 2 {
		t.Errorf("%v: %+v", err, result)
	}
	if got := a.do("GET", "/api/v1/plans/starter", ""); got.status != 404 {
		t.Errorf("after it: %d", got.status)
	}
	for _, bad := range []string{`{"resources": [{"kind": "Credential", "name": "x"}]}`, `{"resources": [{"kind": "Plane", "name": "x"}]}`} {
		if got := a.do("POST", "/api/v1/delete", bad); got.status != 404 {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
}

// TestAnEstateMayTakeLong: the server's timeouts are for other calls.
func TestAnEstateMayTakeLong(t *testing.T) {
	a := newAPI(t)
	const timeout = 700 * time.Millisecond
	slow := httptest.NewUnstartedServer(a.server.Config.Handler)
	slow.Config.ReadTimeout, slow.Config.WriteTimeout = timeout, timeout
	slow.Config.ReadHeaderTimeout = time.Hour // only bodies are slow
	slow.Start()
	defer slow.Close()
	// begin sends the head of a call, and the first bytes of its body.
	begin := func(encoding, body string) net.Conn {
		c, err := net.Dial("tcp", slow.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, err = fmt.Fprintf(c, "POST /api/v1/apply HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/yaml\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s",
			adminToken, encoding, len(body), body[:10])
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	packed := gzipped(t, estate)
	whole := begin("gzip", packed)
	<-time.After(2 * timeout) // longer than the server waits for others
	if _, err := io.WriteString(whole, packed[10:]); err != nil {
		t.Fatal(err)
	}
	if response, err := http.ReadResponse(bufio.NewReader(whole), nil); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("a whole estate: %+v, %v", response, err)
	}
	other := begin("", estate) // and the rest never comes
	if response, err := http.ReadResponse(bufio.NewReader(other), nil); err == nil && response.StatusCode < 400 {
		t.Errorf("another body: %+v", response)
	}
}
