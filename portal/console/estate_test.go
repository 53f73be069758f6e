package console

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/manager/telemetry/logtest"
	"github.com/partnergate/partnergate/portal/web"
)

// TestMain finds what a test has begun and not ended, but for what scs begins
// for a store that is not used, and gives no way to end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}

const bootstrapToken = "the-token-that-the-manager-is-started-with"

var operator = manager.Actor{Name: "admin", Owner: manager.OwnerAPI}

// estate is a console over a real service on SQLite, with the portal's sample estate.
type estate struct {
	t       *testing.T
	path    string // of the store's file
	store   manager.Store
	service *manager.Service
	site    *server
	server  *httptest.Server
	log     logtest.Book

	mu    sync.Mutex // guards the rest
	clock time.Time  // moves by wait only
}

func (e *estate) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clock
}

func (e *estate) wait(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clock = e.clock.Add(d)
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	ctx := context.Background()
	e := &estate{t: t, path: filepath.Join(t.TempDir(), "console.db"), clock: time.Date(2024, time.May, 21, 12, 0, 0, 0, time.UTC)}
	logger := slog.New(slog.NewTextHandler(&e.log, nil))
	var err error
	e.store, err = sqlite.Open(ctx, e.path)
	must(t, err)
	t.Cleanup(func() { must(t, e.store.Close()) })
	e.service, err = manager.NewService(ctx, manager.Config{Store: e.store, Logger: logger, Now: e.now})
	must(t, err)
	t.Cleanup(e.service.Close)
	_, err = e.service.Apply(ctx, manager.Actor{Name: "pipeline", Owner: manager.OwnerFile}, resources(t), manager.ApplyOptions{})
	must(t, err)
	assets, err := web.LoadAssets(os.DirFS(".."))
	must(t, err)
	e.site, err = newServer(Config{
		Service: e.service, AdminToken: bootstrapToken, PublicURL: "https://portal.example.test", Logger: logger, Now: e.now, Assets: assets,
	})
	must(t, err)
	e.server = httptest.NewServer(e.site.Guard(e.site.routes()))
	t.Cleanup(e.server.Close)
	return e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// resources are the documents of the portal's sample estate.
func resources(t *testing.T) []manager.Resource {
	t.Helper()
	const folder = "../testdata"
	text, err := os.ReadFile(folder + "/estate.yaml")
	must(t, err)
	documents, err := manager.ReadDocuments("estate.yaml", text, func(path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(folder, filepath.Base(path)))
	})
	must(t, err)
	list := make([]manager.Resource, 0, len(documents))
	for _, d := range documents {
		list = append(list, d.Resource)
	}
	return list
}

// token makes a named token and returns its text.
func (e *estate) token(name string, role manager.TokenRole, teams ...string) string {
	e.t.Helper()
	made, err := e.service.CreateAdminToken(context.Background(), operator, name, role, teams, 24*time.Hour)
	must(e.t, err)
	return made.Token
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	e      *estate
	client *http.Client
}

func (e *estate) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(e.t, err)
	client := *e.server.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{e, &client}
}

// signedIn is a browser of who has just signed in with a token.
func (e *estate) signedIn(token string) *browser {
	e.t.Helper()
	b := e.browser()
	if a := b.post("/admin/login", url.Values{"token": {token}}); a.status != http.StatusSeeOther {
		e.t.Fatalf("the sign-in has status %d\n%s", a.status, a.body)
	}
	return b
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) to() string { return a.header.Get("Location") }

func (b *browser) get(path string) answer {
	b.e.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.e.server.URL+path, nil)
	must(b.e.t, err)
	return b.do(r)
}

func (b *browser) post(path string, form url.Values) answer {
	b.e.t.Helper()
	r, err := http.NewRequest(http.MethodPost, b.e.server.URL+path, strings.NewReader(form.Encode()))
	must(b.e.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func (b *browser) do(r *http.Request) answer {
	b.e.t.Helper()
	response, err := b.client.Do(r)
	must(b.e.t, err)
	defer func() { must(b.e.t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	must(b.e.t, err)
	return answer{response.StatusCode, response.Header, string(body)}
}
