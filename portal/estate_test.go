package portal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/manager/telemetry/logtest"
)

const (
	password  = "correct horse battery staple"
	acmeAdmin = "dev@acme.test"
	acmeView  = "view@acme.test"
	globexDev = "dev@globex.test"
	both      = "consultant@both.test"
	longName  = "maximiliane.von-und-zu-hohenzollern-sigmaringen@zahlungsverkehrsgesellschaft.test"
)

// noon is when every test takes place, in the middle of a day, a week and a
// month, and for as long as it may take; in the past, since browsers have the
// machine's clock.
var noon = time.Date(2024, time.May, 21, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

var operator = manager.Actor{Name: "admin", Owner: manager.OwnerAPI}

// estate is a portal over a real service on SQLite, with two partners and their traffic.
type estate struct {
	t       *testing.T
	path    string // of the store's file
	store   manager.Store
	service *manager.Service
	server  *httptest.Server
	log     *logtest.Book
}

// newEstate applies testdata/estate.yaml and gives everybody a password.
func newEstate(t *testing.T) *estate {
	t.Helper()
	return newEstateAt(t, "http://portal.example.test")
}

func newEstateAt(t *testing.T, publicURL string) *estate {
	t.Helper()
	ctx := context.Background()
	e := &estate{t: t, path: filepath.Join(t.TempDir(), "portal.db"), log: &logtest.Book{}}
	logger := slog.New(slog.NewTextHandler(e.log, nil))
	var err error
	e.store, err = sqlite.Open(ctx, e.path)
	must(t, err)
	t.Cleanup(func() { must(t, e.store.Close()) })
	e.service, err = manager.NewService(ctx, manager.Config{Store: e.store, Now: atNoon, Logger: logger})
	must(t, err)
	t.Cleanup(e.service.Close)
	_, err = e.service.Apply(ctx, operator, estateResources(t), manager.ApplyOptions{})
	must(t, err)
	for email, partner := range map[string]string{acmeAdmin: "acme", acmeView: "acme", globexDev: "globex", both: "acme", longName: "vereinigte-zahlungsverkehrsgesellschaft"} {
		must(t, e.service.SetPassword(ctx, operator, partner, email, password))
	}
	handler, err := New(Config{Service: e.service, AdminToken: adminToken, PublicURL: publicURL, Logger: logger, Now: atNoon})
	must(t, err)
	e.server = httptest.NewServer(handler)
	t.Cleanup(e.server.Close)
	return e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (e *estate) key(partner, application, environment string) *manager.NewKey {
	e.t.Helper()
	key, err := e.service.CreateCredential(context.Background(), operator, partner, application, environment, 0)
	must(e.t, err)
	return key
}

// traffic stores usage and requests of acme and globex, as proxies report them.
func (e *estate) traffic(key *manager.NewKey) {
	e.t.Helper()
	now := noon
	commit := manager.SyncCommit{
		Proxy:          &manager.Proxy{ID: "edge-1.6f1a9c3e7b42", Node: "edge-1", FirstSeen: now, LastSync: now, PolicyVersion: 1, PolicyAt: now, Sequence: 1},
		Usage:          usageRows(now),
		Requests:       requestRecords(now, key),
		CredentialUses: map[string]map[string]time.Time{"acme": {key.ID: now.Add(-3 * time.Minute)}},
	}
	must(e.t, e.store.CommitSync(context.Background(), commit))
}

var acmeUsage = []struct {
	key  manager.UsageKey
	most int64
}{
	{manager.UsageKey{Product: "payments", Environment: "production", Operation: "listPayments", Outcome: "admitted"}, 420},
	{manager.UsageKey{Product: "payments", Environment: "production", Operation: "createPayment", Outcome: "admitted"}, 180},
	{manager.UsageKey{Product: "payments", Environment: "production", Operation: "createPayment", Outcome: "limit_exceeded"}, 35},
	{manager.UsageKey{Product: "payments", Environment: "sandbox", Operation: "listPayments", Outcome: "admitted"}, 90},
	{manager.UsageKey{Product: "payments", Environment: "sandbox", Operation: "getPayment", Outcome: "admitted"}, 60},
	{manager.UsageKey{Product: "risk-feeds", Environment: "sandbox", Operation: "GET /risk/scores/{account}", Outcome: "admitted"}, 44},
	{manager.UsageKey{Environment: "sandbox", Outcome: "operation_not_found"}, 7},
	{manager.UsageKey{Environment: "production", Outcome: "credential_expired"}, 4},
}

// usageRows is one row an hour and key for 30 days, in a daily rhythm.
func usageRows(now time.Time) []manager.UsageRow {
	var rows []manager.UsageRow
	for h := range 30 * 24 {
		at := now.Add(-time.Duration(h) * time.Hour).Truncate(time.Minute)
		for i, u := range acmeUsage {
			key := u.key
			key.Partner, key.Application = "acme", "checkout"
			wave := int64((at.Hour()*7+i*11)%24+4) * int64(8+at.Weekday()*at.Weekday()%7+time.Weekday(at.Day()%4)) / 14
			if n := u.most * wave / 28; n > 0 {
				rows = append(rows, manager.UsageRow{Minute: at, Key: key, Requests: n})
			}
		}
	}
	return append(rows, manager.UsageRow{Minute: now.Truncate(time.Minute), Requests: 3, Key: manager.UsageKey{
		Partner: "globex", Application: "dashboard", Product: "payments", Environment: "sandbox", Operation: "listPayments", Outcome: "admitted",
	}})
}

// requestRecords are 130 requests of acme and one of globex, the newest a few seconds old.
func requestRecords(now time.Time, key *manager.NewKey) []manager.RequestRecord {
	samples := []manager.RequestRecord{
		{Method: "GET", Path: "/payments/payments", Status: 200, Key: manager.UsageKey{Product: "payments", Environment: "sandbox", Operation: "listPayments", Outcome: "admitted"}},
		{Method: "POST", Path: "/payments/payments", Status: 201, Key: manager.UsageKey{Product: "payments", Environment: "sandbox", Operation: "createPayment", Outcome: "admitted"}},
		{Method: "GET", Path: "/payments/payments/pay_20418_3c1f", Status: 200, Key: manager.UsageKey{Product: "payments", Environment: "production", Operation: "getPayment", Outcome: "admitted"}},
		{Method: "POST", Path: "/payments/payments", Status: 429, Limit: "throughput", Key: manager.UsageKey{Product: "payments", Environment: "production", Operation: "createPayment", Outcome: "limit_exceeded"}},
		{Method: "GET", Path: "/risk/scores/DE-8841", Status: 200, Key: manager.UsageKey{Product: "risk-feeds", Environment: "sandbox", Operation: "GET /risk/scores/{account}", Outcome: "admitted"}},
		{Method: "GET", Path: "/nonsense/<script>alert(1)</script>", Status: 404, Key: manager.UsageKey{Environment: "sandbox", Outcome: "operation_not_found"}},
		{Method: "GET", Path: "/payments/payments", Status: 403, Key: manager.UsageKey{Environment: "production", Outcome: "environment_mismatch"}},
	}
	var records []manager.RequestRecord
	for i := range 130 {
		r := samples[i%len(samples)]
		r.Time = now.Add(-time.Duration(i*47+5) * time.Second)
		r.RequestID = fmt.Sprintf("5d0e4a55-9d2b-6f1a-9c3e-%012d", i)
		r.Key.Partner, r.Key.Application, r.Credential = "acme", "checkout", key.ID
		r.PolicyVersion, r.Proxy = 7, "edge-1.6f1a9c3e7b42"
		records = append(records, r)
	}
	foreign := records[0]
	foreign.Key.Partner, foreign.Key.Application, foreign.RequestID, foreign.Credential = "globex", "dashboard", "globex-0001", "aaaabbbbcccc"
	return append(records, foreign)
}

// browser is a person's browser without scripts: it keeps cookies and follows nothing by itself.
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

// loggedIn is a browser of a person who has just logged in.
func (e *estate) loggedIn(email string) *browser {
	e.t.Helper()
	b := e.browser()
	if r := b.post("/login", url.Values{"email": {email}, "password": {password}}); r.status != http.StatusSeeOther {
		e.t.Fatalf("login of %s: status %d\n%s", email, r.status, r.body)
	}
	return b
}

type answer struct {
	status int
	header http.Header
	body   string
}

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

// estateResources are the documents of testdata/estate.yaml.
func estateResources(t *testing.T) []manager.Resource {
	t.Helper()
	read, err := documents.ReadPath("testdata/estate.yaml", nil)
	must(t, err)
	return documents.Resources(read)
}
