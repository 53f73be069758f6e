package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/httpapi"
	"github.com/partnergate/partnergate/manager/rest"
	"github.com/partnergate/partnergate/manager/sqlite"
)

const adminToken = "admin-0123456789abcdef0123456789abcdef"

// contract holds each request and answer against the manager's own OpenAPI document.
type contract struct {
	t      *testing.T
	fail   func(format string, args ...any)
	next   http.Handler
	router routers.Router
	asked  map[string]bool // operation ids
}

func newContract(t *testing.T, next http.Handler) *contract {
	t.Helper()
	document := httptest.NewRecorder()
	next.ServeHTTP(document, httptest.NewRequest(http.MethodGet, "/api/v1/openapi.json", nil))
	described, err := openapi3.NewLoader().LoadFromData(document.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	described.Servers = nil
	router, err := legacy.NewRouter(described, openapi3.DisableExamplesValidation())
	if err != nil {
		t.Fatal(err)
	}
	return &contract{t, t.Errorf, next, router, map[string]bool{}}
}

// ServeHTTP implements http.Handler.
func (c *contract) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	recorded := httptest.NewRecorder()
	c.next.ServeHTTP(recorded, r)
	r.Body = io.NopCloser(bytes.NewReader(unpacked(c.t, r, body)))
	c.check(r, recorded)
	for name, values := range recorded.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(recorded.Body.Bytes()) // the client is gone: the test notices
}

// unpacked is the body as the document describes it.
func unpacked(t *testing.T, r *http.Request, body []byte) []byte {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return body
	}
	reader, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(reader)
	}
	if err != nil {
		t.Error(err)
	}
	return body
}

func (c *contract) check(r *http.Request, got *httptest.ResponseRecorder) {
	route, parameters, err := c.router.FindRoute(r)
	if err != nil {
		c.fail("%s %s is not described: %v", r.Method, r.URL, err)
		return
	}
	c.asked[route.Operation.OperationID] = true
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true}}
	// A request that the manager refuses need not be as described; its answer must be.
	if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil && got.Code < 400 {
		c.fail("%s %s is not as described, and was taken: %v", r.Method, r.URL, err)
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: got.Code, Header: got.Header(), Options: input.Options}
	answer.SetBodyBytes(got.Body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), answer); err != nil {
		c.fail("the answer %d to %s %s is not as described: %v\n%s", got.Code, r.Method, r.URL, err, got.Body)
	}
}

// TestContractNotices: what is not as described is found, so that the test below says something.
func TestContractNotices(t *testing.T) {
	for name, answer := range map[string]string{
		"good":              `{"items": [], "next_cursor": ""}`,
		"no cursor":         `{"items": []}`,
		"a number for text": `{"items": [{"name": 7, "role": "admin", "state": "active", "created_by": "x", "created_at": "2026-01-01T00:00:00Z"}], "next_cursor": ""}`,
		"an unknown role":   `{"items": [{"name": "x", "role": "emperor", "state": "active", "created_by": "x", "created_at": "2026-01-01T00:00:00Z"}], "next_cursor": ""}`,
	} {
		real := httpapi.New(httpapi.Config{Service: &manager.Service{}, AdminToken: adminToken, EdgeTokens: []string{"edge"}})
		c := newContract(t, real)
		c.next = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answer) // to a recorder
		})
		found := false
		c.fail = func(string, ...any) { found = true }
		c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/v1/tokens", nil))
		if found != (name != "good") {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

// TestTrafficIsAsDescribed makes every call that the client has, against the
// real API, and holds what goes over the wire against openapi.json.
func TestTrafficIsAsDescribed(t *testing.T) {
	ctx := t.Context()
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	service, err := manager.NewService(ctx, manager.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		service.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	contract := newContract(t, httpapi.New(httpapi.Config{Service: service, AdminToken: adminToken, EdgeTokens: []string{"edge"}}))
	server := httptest.NewServer(contract)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, adminToken)
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, call := range traffic(t, c) {
		called[call.name] = true
		if err := call.do(); err != nil {
			t.Errorf("%s: %v", call.name, err)
		}
	}
	for method := range reflect.TypeOf(c).Methods() {
		if !called[method.Name] && method.Name != "Snapshot" { // that is a call of proxies, with bodies of their own
			t.Errorf("the client's %s is not called here", method.Name)
		}
	}
	for _, refused := range []func() error{
		func() error {
			_, err := c.Resource(ctx, manager.Ref{Kind: manager.KindPlan, Name: "nothing"})
			return err
		},
		func() error { _, err := c.CreateToken(ctx, "x", "emperor", nil, ""); return err },
		func() error { _, err := c.CreateToken(ctx, "x", manager.TokenOperator, []string{}, ""); return err },
		func() error { _, err := c.Usage(ctx, url.Values{"from": {"yesterday"}}); return err },
		func() error { return c.RevokeToken(ctx, "nothing") },
	} {
		if refused() == nil {
			t.Error("a bad call was taken")
		}
	}
	if len(contract.asked) < 20 {
		t.Errorf("only %d operations were asked", len(contract.asked))
	}
}

// call is one method of the client at work.
type call struct {
	name string
	do   func() error
}

// traffic are calls of every method, in an order in which each finds what it needs.
func traffic(t *testing.T, c *client.Client) []call {
	ctx := t.Context()
	all := resources(t)
	var key *manager.NewKey
	digest := sha256.Sum256([]byte("a key from elsewhere"))
	subscription := manager.Ref{Kind: manager.KindSubscription, Partner: "acme", Name: "pay"}
	return []call{
		{"Apply", func() error { return second(c.Apply(ctx, all, manager.ApplyOptions{Prune: true})) }},
		{"ApplyWithProgress", func() error {
			return second(c.ApplyWithProgress(ctx, all, manager.ApplyOptions{DryRun: true}, func(int64, int64) {}))
		}},
		{"Resources", func() error {
			for _, kind := range manager.Kinds {
				if err := second(c.Resources(ctx, kind, "acme")); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Search", func() error {
			for text, want := range map[string]int{"ACM": 1, "nothing": 0} {
				if found, err := c.Search(ctx, manager.KindPartner, "", text); err != nil || len(found) != want {
					return errors.Join(err, fmt.Errorf("%d have %q in their name", len(found), text))
				}
			}
			return nil
		}},
		{"Resource", func() error {
			for _, r := range all {
				if err := second(c.Resource(ctx, r.Ref())); err != nil {
					return err
				}
			}
			return nil
		}},
		{"CreateKey", func() (err error) { key, err = c.CreateKey(ctx, "acme", "app", "sandbox", "30d"); return err }},
		{"RotateKey", func() (err error) { key, err = c.RotateKey(ctx, key.ID, "1h"); return err }},
		{"RevokeKey", func() error { return second(c.RevokeKey(ctx, key.ID)) }},
		{"ImportKeys", func() error {
			keys := []rest.ImportedKey{{Partner: "acme", Application: "app", Environment: "sandbox", SHA256: hex.EncodeToString(digest[:])}}
			return second(c.ImportKeys(ctx, keys, false))
		}},
		{"Keys", func() error { return errors.Join(second(c.Keys(ctx, "acme", "")), second(c.Keys(ctx, "acme", "app"))) }},
		{"Catalog", func() error { return second(c.Catalog(ctx, "acme", "sandbox")) }},
		{"Explain", func() error {
			return second(c.Explain(ctx, url.Values{"partner": {"acme"}, "environment": {"sandbox"}, "method": {"GET"}, "host": {"pay.test"}, "path": {"/pay"}}))
		}},
		{"InviteMember", func() error { return second(c.InviteMember(ctx, "acme", "dev@acme.test", manager.RoleAdmin)) }},
		{"SetPassword", func() error { return c.SetPassword(ctx, "acme", "dev@acme.test", "correct horse battery") }},
		{"UnlockLogin", func() error {
			return errors.Join(second(c.UnlockLogin(ctx, "dev@acme.test", "")), second(c.UnlockLogin(ctx, "", "192.0.2.7")))
		}},
		{"Members", func() error { return second(c.Members(ctx, "acme")) }},
		{"RemoveMember", func() error { return c.RemoveMember(ctx, "acme", "dev@acme.test") }},
		{"CreateToken", func() error {
			return errors.Join(second(c.CreateToken(ctx, "ci", manager.TokenOperator, []string{"core"}, "30d")),
				second(c.CreateToken(ctx, "all", manager.TokenAuditor, nil, "")))
		}},
		{"RevokeToken", func() error { return c.RevokeToken(ctx, "ci") }},
		{"Tokens", func() error { return second(c.Tokens(ctx)) }},
		{"PolicyVersion", func() error { return second(c.PolicyVersion(ctx)) }},
		{"Acknowledged", func() error { return second(c.Acknowledged(ctx, 1, time.Second)) }},
		{"Proxies", func() error { return second(c.Proxies(ctx)) }},
		{"Usage", func() error { return second(c.Usage(ctx, url.Values{"group_by": {"partner,day"}, "from": {"-7d"}})) }},
		{"Requests", func() error { return second(c.Requests(ctx, url.Values{"partner": {"acme"}, "limit": {"10"}})) }},
		{"Delete", func() error { return second(c.Delete(ctx, subscription)) }},
		{"DeleteAll", func() error {
			return second(c.DeleteAll(ctx, []manager.Ref{subscription, {Kind: manager.KindProduct, Name: "pay"}}, false))
		}},
		{"Audit", func() error {
			page, err := c.Audit(ctx, url.Values{"limit": {"100"}})
			if err == nil && len(page.Items) < 10 {
				err = fmt.Errorf("%d entries", len(page.Items))
			}
			return err
		}},
	}
}

func second[T any](_ T, err error) error { return err }

func resources(t *testing.T) []manager.Resource {
	t.Helper()
	read, err := documents.ReadPath("../testdata/teams.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	return documents.Resources(read)
}
