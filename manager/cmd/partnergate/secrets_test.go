package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/backup"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/rest"
	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/manager/telemetry/logtest"
)

// secretsRun is one manager through which every secret goes, and all that it
// left behind: pages, answers, log and store.
type secretsRun struct {
	t       *testing.T
	url     string
	api     *client.Client
	secrets map[string]string // what it is → its text
	left    map[string]string // where → what stands there
}

// TestNoSecretIsLeft makes keys, tokens, passwords, links and sessions, uses
// them, and looks for each of them in everything that the manager stores,
// logs, counts, answers and shows, but for the one answer that shows it.
func TestNoSecretIsLeft(t *testing.T) {
	store := filepath.Join(t.TempDir(), "secrets.db")
	var log, traces logtest.Book
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&traces, r.Body) // what is cut off is short
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	s, err := server.Start(t.Context(), server.Settings{
		Listen: "127.0.0.1:0", Store: "sqlite://" + store, AdminToken: adminToken, EdgeToken: edgeToken, LogLevel: "debug", Traces: true,
	}, wiring().Server, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	r := &secretsRun{t: t, url: s.URL(), left: map[string]string{},
		secrets: map[string]string{"admin token": adminToken, "edge token": edgeToken}}
	if r.api, err = client.New(r.url, adminToken); err != nil {
		t.Fatal(err)
	}
	r.operate()
	r.visit()
	r.proxy()
	r.overlook()
	r.readAll()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	r.left["the log"], r.left["the traces"] = log.String(), traces.String()
	if !strings.Contains(r.left["the traces"], "store.CommitPolicy") {
		t.Error("there are no traces")
	}
	files, err := filepath.Glob(store + "*")
	r.must(err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		r.must(err)
		r.left["the store's "+filepath.Base(file)] = string(content)
	}
	r.dump("sqlite://" + store)
	r.search()
}

// dump keeps what a backup of the store has; as the store it has digests.
func (r *secretsRun) dump(url string) {
	store, err := wiring().OpenBeside(r.t.Context(), url)
	r.must(err)
	defer func() { r.must(store.Close()) }()
	var file bytes.Buffer
	_, err = backup.Dump(r.t.Context(), store, &file, time.Now())
	r.must(err)
	r.left["the store's dump"] = file.String()
}

func (r *secretsRun) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// operate does what operators do: policy, keys, a token that is used and
// revoked, a password, and calls with secrets that are wrong.
func (r *secretsRun) operate() {
	ctx := r.t.Context()
	estate, err := documents.ReadPath("../../testdata/teams.yaml", nil)
	r.must(err)
	_, err = r.api.Apply(ctx, documents.Resources(estate), manager.ApplyOptions{})
	r.must(err)
	key, err := r.api.CreateKey(ctx, "acme", "app", "sandbox", "")
	r.must(err)
	next, err := r.api.RotateKey(ctx, key.ID, "1h")
	r.must(err)
	_, err = r.api.RevokeKey(ctx, next.ID)
	r.must(err)
	r.secrets["key"], r.secrets["rotated key"] = key.Key, next.Key
	digest := sha256.Sum256([]byte("a key from elsewhere, unknown here"))
	_, err = r.api.ImportKeys(ctx, []rest.ImportedKey{{Partner: "acme", Application: "app", Environment: "sandbox", SHA256: hex.EncodeToString(digest[:])}}, false)
	r.must(err)
	for _, name := range []string{"ci", "gone"} {
		token, err := r.api.CreateToken(ctx, name, manager.TokenOperator, nil, "")
		r.must(err)
		r.secrets["token "+name] = token.Token
		as, err := client.New(r.url, token.Token)
		r.must(err)
		_, err = as.Resources(ctx, manager.KindPartner, "")
		r.must(err)
	}
	r.must(r.api.RevokeToken(ctx, "gone"))
	r.secrets["password"] = "correct horse battery staple"
	r.must(r.api.SetPassword(ctx, "acme", "dev@acme.test", r.secrets["password"]))
	member, err := r.api.InviteMember(ctx, "acme", "ops@acme.test", manager.RoleViewer)
	r.must(err)
	r.secrets["link of an operator"] = between(r.t, member.Invitation.Link+"\n", "token=", "\n")
	_, err = r.api.UnlockLogin(ctx, "dev@acme.test", "")
	r.must(err)
	r.secrets["wrong token"] = "pgt_" + strings.Repeat("wrongtoken", 4)
	stranger, err := client.New(r.url, r.secrets["wrong token"])
	r.must(err)
	if _, err := stranger.Proxies(ctx); err == nil {
		r.t.Error("a wrong token was taken")
	}
}

// visit does what members do: log in, wrongly first, make a key, invite, join,
// change the password, log out.
func (r *secretsRun) visit() {
	r.secrets["wrong password"] = "not the password of anybody"
	b := r.browser()
	b.post("/login", url.Values{"email": {"dev@acme.test"}, "password": {r.secrets["wrong password"]}}, http.StatusUnauthorized)
	b.post("/login", url.Values{"email": {"dev@acme.test"}, "password": {r.secrets["password"]}}, http.StatusSeeOther)
	b.keepCookie("session")
	shown := b.post("/applications/app/keys", url.Values{"environment": {"sandbox"}, "lifetime": {"never"}}, http.StatusOK)
	r.secrets["key of the portal"] = between(r.t, shown, `id="key">`, "<")
	link := html.UnescapeString(between(r.t, b.post("/members", url.Values{"email": {"new@acme.test"}, "role": {"developer"}}, http.StatusOK), `id="link">`, "<"))
	r.secrets["link"] = between(r.t, link+"\n", "token=", "\n")
	at, err := url.Parse(link)
	r.must(err)
	guest := r.browser()
	guest.get(at.RequestURI()) // shows nothing that the guest does not have
	r.secrets["chosen password"] = "a password that the guest chose"
	guest.post("/invitation", url.Values{"token": {r.secrets["link"]}, "password": {r.secrets["chosen password"]}}, http.StatusSeeOther)
	guest.keepCookie("guest's session")
	waiting := html.UnescapeString(between(r.t, b.post("/members", url.Values{"email": {"waits@acme.test"}, "role": {"viewer"}}, http.StatusOK), `id="link">`, "<"))
	r.secrets["link that waits"] = between(r.t, waiting+"\n", "token=", "\n")
	r.secrets["new password"] = "another long password entirely"
	b.post("/password", url.Values{"current": {r.secrets["password"]}, "new": {r.secrets["new password"]}}, http.StatusSeeOther)
	b.keepCookie("session after the new password")
	b.crawl("/", "/products", "/password", "/catalog.json")
	guest.crawl("/", "/products", "/password", "/catalog.json")
	guest.post("/logout", nil, http.StatusSeeOther)
}

// overlook does what operators do in the console: sign in, wrongly first, and look at every page.
func (r *secretsRun) overlook() {
	b := r.browser()
	b.post("/admin/login", url.Values{"token": {r.secrets["wrong token"]}}, http.StatusUnauthorized)
	b.post("/admin/login", url.Values{"token": {adminToken}}, http.StatusSeeOther)
	b.keepCookie("session of the console")
	b.crawl("/admin", "/admin")
	b.post("/admin/logout", nil, http.StatusSeeOther)
}

// proxy does what a proxy does, and reports requests of the portal's key.
func (r *secretsRun) proxy() {
	reply := watch(r.t, r.url, wire.Watch{Proxy: testProxy, Schema: policy.SchemaVersion})
	r.left["the manifest"] = reply.Manifest
	manifest, err := policy.ParseManifest(reply.Manifest)
	r.must(err)
	var digests [][32]byte
	for _, e := range policy.NewLoader(manifest, nil).Missing() {
		digests = append(digests, e.Digest)
	}
	r.left["the parts"] = r.edge(wire.PartsPath, (&wire.Parts{Digests: digests}).Append(nil))
	_, id, _ := policy.ParseKey(r.secrets["key of the portal"])
	now := time.Now()
	r.left["the answer to a batch"] = r.edge(wire.SyncPath, (&wire.Sync{
		Proxy: testProxy, Sequence: 1, PolicyVersion: manifest.Version,
		Usage: []wire.Usage{{Minute: now.Unix() / 60, Partner: "acme", Application: "app", Product: "pay", Environment: "sandbox", Operation: "pay", Outcome: "admitted", Count: 1}},
		Requests: []wire.Request{{Time: now.UnixMilli(), RequestID: "req-1", Partner: "acme", Application: "app", Product: "pay", Environment: "sandbox",
			Operation: "pay", Outcome: "admitted", Credential: id, Method: "GET", Path: "/pay", Status: 200, PolicyVersion: manifest.Version}},
	}).Append(nil))
}

func (r *secretsRun) edge(path string, body []byte) string {
	r.t.Helper()
	return r.send(http.MethodPost, path, string(body), "Authorization", "Bearer "+edgeToken, "Content-Type", "application/octet-stream")
}

// send returns a good answer's headers and body.
func (r *secretsRun) send(method, path, body string, headers ...string) string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	r.must(err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	r.must(err)
	return r.read(response, http.StatusOK)
}

func (r *secretsRun) read(response *http.Response, want int) string {
	r.t.Helper()
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(response.Body)
	r.must(err)
	if response.StatusCode != want {
		r.t.Fatalf("%s %s: %d, want %d: %s", response.Request.Method, response.Request.URL.Path, response.StatusCode, want, body)
	}
	return string(body)
}

// readAll reads everything that the API answers to GET, from its own document.
func (r *secretsRun) readAll() {
	as := []string{"Authorization", "Bearer " + adminToken}
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	r.must(json.Unmarshal([]byte(r.send(http.MethodGet, "/api/v1/openapi.json", "")), &document))
	_, id, _ := policy.ParseKey(r.secrets["key"])
	names := map[string]string{"environments": "sandbox", "products": "pay", "plans": "p", "applications": "app", "subscriptions": "pay"}
	for path, item := range document.Paths {
		if item["get"] == nil || strings.HasPrefix(path, "/wasm/") {
			continue
		}
		filled := strings.NewReplacer("{partner}", "acme", "{id}", id).Replace(path)
		for kind, name := range names {
			filled = strings.ReplaceAll(filled, "/"+kind+"/{name}", "/"+kind+"/"+name)
		}
		switch {
		case strings.HasSuffix(path, "/catalog"):
			filled += "?environment=sandbox"
		case strings.HasSuffix(path, "/explain"):
			filled += "?partner=acme&environment=sandbox&method=GET&host=pay.test&path=/pay"
		}
		r.left["GET "+filled] = r.send(http.MethodGet, filled, "", as...)
	}
	if audit := r.left["GET /api/v1/audit"]; strings.Count(audit, `"action"`) < 15 {
		r.t.Errorf("the audit log is short: %s", audit)
	}
	if !strings.Contains(r.left["GET /api/v1/requests"], "req-1") || !strings.Contains(r.left["GET /metrics"], "partnergate_requests_total") {
		r.t.Error("the proxy's requests are not to be seen")
	}
}

// search looks for each secret as it is, without its public part, and encoded.
func (r *secretsRun) search() {
	r.t.Logf("%d secrets, %d places", len(r.secrets), len(r.left))
	for what, secret := range r.secrets {
		if len(secret) < 16 {
			r.t.Errorf("the %s is %q", what, secret)
		}
		forms := []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))}
		if i := strings.LastIndex(secret, "_"); i >= 0 && len(secret)-i > 16 {
			forms = append(forms, secret[i+1:])
		}
		digest := sha256.Sum256([]byte(secret))
		shown := []string{hex.EncodeToString(digest[:]), base64.StdEncoding.EncodeToString(digest[:]), "argon2id"}
		for where, text := range r.left {
			for _, form := range forms {
				if strings.Contains(text, form) {
					r.t.Errorf("the %s stands in %s", what, where)
				}
			}
			if strings.HasPrefix(where, "the store's") {
				continue // that is where digests are kept
			}
			for _, form := range shown {
				if strings.Contains(text, form) {
					r.t.Errorf("a digest of the %s stands in %s", what, where)
				}
			}
		}
	}
}

func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, before)
	inner, _, ended := strings.Cut(rest, after)
	if !found || !ended {
		t.Fatalf("nothing between %q and %q in %s", before, after, text)
	}
	return inner
}

// secretsBrowser is a browser without scripts.
type secretsBrowser struct {
	*secretsRun
	client *http.Client
}

func (r *secretsRun) browser() *secretsBrowser {
	jar, err := cookiejar.New(nil)
	r.must(err)
	return &secretsBrowser{r, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *secretsBrowser) get(path string) string {
	b.t.Helper()
	response, err := b.client.Get(b.url + path)
	b.must(err)
	return b.read(response, http.StatusOK)
}

func (b *secretsBrowser) post(path string, form url.Values, want int) string {
	b.t.Helper()
	response, err := b.client.PostForm(b.url+path, form)
	b.must(err)
	return b.read(response, want)
}

func (b *secretsBrowser) keepCookie(what string) {
	b.t.Helper()
	at, err := url.Parse(b.url + "/admin") // the console's cookie is for its pages alone
	b.must(err)
	for _, c := range b.client.Jar.Cookies(at) {
		b.secrets[what] = c.Value
	}
	if b.secrets[what] == "" {
		b.t.Errorf("there is no %s", what)
	}
}

var linkPattern = regexp.MustCompile(`href="(/[^"#]*)`)

// crawl reads every page below a path that links lead to from the first ones.
func (b *secretsBrowser) crawl(below string, queue ...string) {
	b.t.Helper()
	seen := map[string]bool{}
	for len(queue) > 0 && len(seen) < 200 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		page := b.get(path)
		b.left["the page "+path] += page
		for _, link := range linkPattern.FindAllStringSubmatch(page, -1) {
			if next := html.UnescapeString(link[1]); strings.HasPrefix(next, below) && !strings.HasPrefix(next, "/static/") {
				queue = append(queue, next)
			}
		}
	}
	if len(seen) < 12 {
		b.t.Errorf("only %d pages were found", len(seen))
	}
}
