package httpapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/manager"
)

// withUsage is a server whose store has a batch of a proxy: two requests admitted, one refused.
func withUsage(t *testing.T) (a *api, at time.Time) {
	t.Helper()
	a = withEstate(t)
	at = time.Now().UTC().Add(-time.Minute).Truncate(time.Minute)
	key := manager.UsageKey{Partner: "acme", Application: "checkout", Product: "payments", Environment: "sandbox", Operation: "pay", Outcome: "admitted"}
	refused := key
	refused.Outcome = "limit_exceeded"
	err := a.store.CommitSync(t.Context(), manager.SyncCommit{
		Proxy: &manager.Proxy{ID: "edge-1.00ff", Node: "edge-1", FirstSeen: at, LastSync: at, PolicyVersion: 2, PolicyAt: at, Sequence: 1},
		Usage: []manager.UsageRow{{Minute: at, Key: key, Requests: 2}, {Minute: at, Key: refused, Requests: 1}},
		Requests: []manager.RequestRecord{
			{Time: at, RequestID: "r-1", Key: key, Credential: "abcdefgh2345", Method: "POST", Path: "/v1/pay", Status: 201, PolicyVersion: 2, Proxy: "edge-1.00ff"},
			{Time: at.Add(time.Second), RequestID: "r-2", Key: refused, Credential: "abcdefgh2345", Method: "POST", Path: "/v1/pay", Status: 429, Limit: "throughput", PolicyVersion: 2, Proxy: "edge-1.00ff"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, at
}

func TestUsageAnswers(t *testing.T) {
	a, _ := withUsage(t)
	for query, want := range map[string]string{
		"":                          `[{"requests":3}]`,
		"?partner=acme":             `[{"requests":3}]`,
		"?group_by=outcome":         `[{"outcome":"admitted","requests":2},{"outcome":"limit_exceeded","requests":1}]`,
		"?group_by=partner,product": `[{"partner":"acme","product":"payments","requests":3}]`,
		"?group_by=partner&group_by=application&group_by=environment&group_by=operation&outcome=admitted": `[{"application":"checkout","environment":"sandbox","operation":"pay","partner":"acme","requests":2}]`,
		"?partner=globex&group_by=partner":                    `[]`,
		"?to=-1h&from=-2d&group_by=partner":                   `[]`,
		"?from=2020-01-01T00:00:00%2B02:00&group_by=product":  `[{"product":"payments","requests":3}]`,
		"?from=2020-01-01T00:00:00+02:00&group_by=product":    `[{"product":"payments","requests":3}]`,
		"?environment=sandbox&product=payments&operation=pay": `[{"requests":3}]`,
	} {
		var answer struct{ Rows json.RawMessage }
		a.must(&answer, "GET", "/api/v1/usage"+query, "")
		if string(answer.Rows) != want {
			t.Errorf("%s: %s, want %s", query, answer.Rows, want)
		}
	}
}

// A window within a minute has that minute, and says so.
func TestUsageWithinAMinute(t *testing.T) {
	a, at := withUsage(t)
	var answer struct {
		From, To time.Time
		Rows     []struct{ Requests int }
	}
	within := "?from=" + at.Add(20*time.Second).Format(time.RFC3339) + "&to=" + at.Add(50*time.Second).Format(time.RFC3339)
	a.must(&answer, "GET", "/api/v1/usage"+within, "")
	if len(answer.Rows) != 1 || answer.Rows[0].Requests != 3 || !answer.From.Equal(at) || !answer.To.Equal(at.Add(time.Minute)) {
		t.Errorf("%+v, want 3 requests from %v on", answer, at)
	}
	a.must(&answer, "GET", "/api/v1/usage?from=-1s", "")
	if answer.From.Second() != 0 || answer.To.Second() != 0 || !answer.From.Before(answer.To) {
		t.Errorf("%+v is not of whole minutes", answer)
	}
	if got := a.do("GET", "/api/v1/usage?to=9999-12-31T23:59:59Z", ""); got.status != 200 {
		t.Errorf("until the end of time: %d %s", got.status, got.body)
	}
	for _, query := range []string{"?to=9999-12-31T23:59:59-01:00", "?from=0000-01-01T00:00:00%2B01:00", "?from=" + at.Format(time.RFC3339) + "&to=" + at.Format(time.RFC3339)} {
		if got := a.do("GET", "/api/v1/usage"+query, ""); got.status != 422 {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

func TestRequestAnswers(t *testing.T) {
	a, at := withUsage(t)
	var page struct {
		Items []map[string]any
		Next  string `json:"next_cursor"`
	}
	a.must(&page, "GET", "/api/v1/requests?partner=acme&product=payments&outcome=limit_exceeded&request_id=r-2", "")
	want := []map[string]any{{
		"time": at.Add(time.Second).Format(time.RFC3339), "request_id": "r-2", "partner": "acme", "application": "checkout", "product": "payments",
		"environment": "sandbox", "method": "POST", "path": "/v1/pay", "operation": "pay", "outcome": "limit_exceeded", "status": 429.0,
		"policy_version": 2.0, "credential": "abcdefgh2345", "limit": "throughput", "proxy": "edge-1.00ff",
	}}
	if diff := cmp.Diff(want, page.Items); diff != "" {
		t.Error(diff)
	}
	a.must(&page, "GET", "/api/v1/requests?limit=1", "")
	if len(page.Items) != 1 || page.Items[0]["request_id"] != "r-2" || page.Next == "" {
		t.Fatalf("first page: %+v", page)
	}
	a.must(&page, "GET", "/api/v1/requests?limit=1&cursor="+page.Next, "")
	if len(page.Items) != 1 || page.Items[0]["request_id"] != "r-1" {
		t.Errorf("second page: %+v", page)
	}
	if got := a.must(nil, "GET", "/api/v1/requests?partner=globex", ""); got.body != `{"items":[],"next_cursor":""}` {
		t.Errorf("another partner: %s", got.body)
	}
}

func TestProxyAnswers(t *testing.T) {
	a, at := withUsage(t)
	var list struct{ Items []map[string]any }
	a.must(&list, "GET", "/api/v1/proxies", "")
	if len(list.Items) != 1 {
		t.Fatalf("got %+v", list)
	}
	p := list.Items[0]
	if p["id"] != "edge-1.00ff" || p["node"] != "edge-1" || p["policy_version"] != 2.0 || p["last_sync"] != at.Format(time.RFC3339) || p["policy_age_seconds"].(float64) < 60 {
		t.Errorf("got %+v", p)
	}
	var policy struct {
		PolicyVersion int64 `json:"policy_version"`
		Behind        []any
	}
	a.must(&policy, "GET", "/api/v1/policy?wait_for=2&timeout=0", "")
	if policy.PolicyVersion != 2 || policy.Behind == nil {
		t.Errorf("got %+v", policy)
	}
	if got := a.do("GET", "/api/v1/policy?wait_for=3", ""); got.status != 422 {
		t.Errorf("a version to come: %d %s", got.status, got.body)
	}
}
