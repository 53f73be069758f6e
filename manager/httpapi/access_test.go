package httpapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct {
		name, method, path, token string
		want                      int
	}{
		{"admin", "GET", "/api/v1/plans", "Bearer " + adminToken, 200},
		{"scheme in lower case", "GET", "/api/v1/plans", "bearer " + adminToken, 200},
		{"none", "GET", "/api/v1/plans", "", 401},
		{"empty", "GET", "/api/v1/plans", "Bearer ", 401},
		{"another scheme", "GET", "/api/v1/plans", "Basic " + adminToken, 401},
		{"part of it", "GET", "/api/v1/plans", "Bearer " + adminToken[:20], 401},
		{"edge token at the admin API", "GET", "/api/v1/plans", "Bearer " + edgeToken, 401},
		{"admin token at the edge API", "POST", "/edge/v1/sync", "Bearer " + adminToken, 401},
		{"no token at the edge API", "POST", "/edge/v1/watch", "", 401},
	} {
		got := a.do(c.method, c.path, "", "Authorization", c.token)
		if got.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, got.status, c.want, got.body)
		}
		if c.want == 401 && (got.header.Get("WWW-Authenticate") == "" || got.code() != "unauthorized") {
			t.Errorf("%s: no WWW-Authenticate or wrong code: %v %s", c.name, got.header, got.body)
		}
	}
	for _, token := range []string{edgeToken, edgeToken2} {
		if got := a.do("POST", "/edge/v1/sync", "noise", "Authorization", "Bearer "+token, "Content-Type", "application/octet-stream"); got.status == 401 {
			t.Errorf("the edge token %.8s… is refused", token)
		}
	}
}

func TestEdgeBodies(t *testing.T) {
	a := newAPI(t)
	edge := []string{"Authorization", "Bearer " + edgeToken, "Content-Type", "application/octet-stream"}
	for _, path := range []string{"/edge/v1/watch", "/edge/v1/parts", "/edge/v1/sync"} {
		if got := a.do("POST", path, "{}", "Authorization", "Bearer "+edgeToken); got.status != 415 {
			t.Errorf("%s as JSON: %d", path, got.status)
		}
		if got := a.do("POST", path, strings.Repeat("x", 16<<20+1), edge...); got.status != 413 {
			t.Errorf("%s with more than 16 MB: %d", path, got.status)
		}
		if got := a.do("POST", path, "noise that is no message", edge...); got.status < 400 || got.status >= 500 {
			t.Errorf("%s with noise: %d %s", path, got.status, got.body)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	a := newAPI(t)
	if got := a.do("GET", "/api/v1/nothing", "", "X-Request-Id", "my-id.7"); got.header.Get("X-Request-Id") != "my-id.7" || !strings.Contains(got.body, `"request_id":"my-id.7"`) {
		t.Errorf("a good id is not kept: %v %s", got.header, got.body)
	}
	for _, bad := range []string{strings.Repeat("x", 129), `a"b`, "a b", "ü"} {
		if got := a.do("GET", "/healthz", "", "X-Request-Id", bad).header.Get("X-Request-Id"); got == bad || len(got) != 36 {
			t.Errorf("the id %q became %q", bad, got)
		}
	}
}

func TestLogHasNoSecrets(t *testing.T) {
	a := withEstate(t)
	var key struct{ Key string }
	a.must(&key, "POST", "/api/v1/partners/acme/applications/checkout/credentials", `{"environment":"sandbox"}`)
	a.must(nil, "PUT", "/api/v1/partners/acme/members/dev@acme.test/password", `{"password":"correct horse battery"}`)
	a.must(nil, "GET", "/portal-page?secret=in-the-query", "")
	a.server.Close() // so that all is written
	for _, secret := range []string{adminToken, key.Key, "correct horse", "in-the-query"} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(a.log.String(), `"path":"/portal-page"`) {
		t.Errorf("the log lacks a request: %s", a.log.String())
	}
}

func TestOpenPlaces(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct {
		path, contains string
	}{
		{"/healthz", "ok"},
		{"/readyz", "ready"},
		{"/metrics", ""},
		{"/api/v1/openapi.json", `"openapi": "3.1.0"`},
		{"/", "portal /"},
		{"/products/payments", "portal /products/payments"},
	} {
		got := a.do("GET", c.path, "", "Authorization", "")
		if got.status != http.StatusOK || !strings.Contains(got.body, c.contains) {
			t.Errorf("%s: %d %.100s", c.path, got.status, got.body)
		}
	}
}

func TestModules(t *testing.T) {
	a := newAPI(t)
	code := []byte("\x00asm not really")
	digest := sha256.Sum256(code)
	sum := hex.EncodeToString(digest[:])
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(a.modules, name), code, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("partnergate.wasm")
	write("secret.txt")
	if err := os.Symlink("/etc/passwd", filepath.Join(a.modules, "link.wasm")); err != nil {
		t.Fatal(err)
	}
	got := a.do("GET", "/wasm/partnergate.wasm", "", "Authorization", "")
	if got.body != string(code) || got.header.Get("Content-Type") != "application/wasm" || got.header.Get("X-Checksum-Sha256") != sum || got.header.Get("ETag") != `"`+sum+`"` {
		t.Errorf("module: %d %v", got.status, got.header)
	}
	if head := a.do("HEAD", "/wasm/partnergate.wasm", ""); head.status != 200 || head.body != "" || head.header.Get("X-Checksum-Sha256") != sum {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	if same := a.do("GET", "/wasm/partnergate.wasm", "", "If-None-Match", `"`+sum+`"`); same.status != http.StatusNotModified {
		t.Errorf("with its ETag: %d", same.status)
	}
	if got := a.do("GET", "/wasm/partnergate.wasm.sha256", ""); got.body != sum+"  partnergate.wasm\n" {
		t.Errorf("digest: %q", got.body)
	}
	for _, path := range []string{"/wasm/quota.wasm", "/wasm/secret.txt", "/wasm/..%2fsecret.wasm", "/wasm/", "/wasm"} {
		if got := a.do("GET", path, ""); got.status != 404 && !strings.HasPrefix(got.body, "portal") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := a.do("GET", "/wasm/link.wasm", ""); got.status < 400 || strings.Contains(got.body, "root:") {
		t.Errorf("a link out of the folder: %d %s", got.status, got.body)
	}
	code = append(code, '!')
	write("partnergate.wasm")
	if changed := a.do("GET", "/wasm/partnergate.wasm", ""); changed.header.Get("X-Checksum-Sha256") == sum {
		t.Error("a changed module has the old digest")
	}
}
