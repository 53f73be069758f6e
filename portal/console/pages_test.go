package console

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

func TestEveryViewHasItsTemplate(t *testing.T) {
	entries, err := templateFiles.ReadDir("templates")
	must(t, err)
	if len(entries) != len(views)+1 { // layout
		t.Errorf("there are %d templates for %d views", len(entries)-1, len(views))
	}
}

func TestDifference(t *testing.T) {
	got := difference(
		[]byte(`{"kind":"Plan","metadata":{"revision":1},"spec":{"title":"A","limits":[{"name":"x","rate":{"requests":5}}],"gone":null}}`),
		[]byte(`{"kind":"Plan","metadata":{"revision":2},"spec":{"title":"B","limits":[{"name":"x","rate":{"requests":7}}],"new":true}}`))
	want := []diffLine{
		{"spec.gone", "null", "", false, true}, {"spec.limits[0].rate.requests", "5", "7", false, false},
		{"spec.new", "", "true", true, false}, {"spec.title", "A", "B", false, false},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the difference is %+v", got)
	}
	if got := difference(nil, nil); got != nil {
		t.Errorf("of nothing and nothing it is %v", got)
	}
}

// TestPartnersPageByPage walks over all pages, and searches.
func TestPartnersPageByPage(t *testing.T) {
	e := newEstate(t)
	var many []manager.Resource
	for i := range 120 {
		many = append(many, &manager.Partner{Metadata: manager.Metadata{Name: fmt.Sprintf("many-%03d", i)}, Spec: manager.PartnerSpec{Title: fmt.Sprintf("Company %d", i)}})
	}
	_, err := e.service.Apply(context.Background(), operator, many, manager.ApplyOptions{})
	must(t, err)
	b := e.signedIn(bootstrapToken)
	seen, pages := map[string]bool{}, 0
	for path := "/admin/partners?q=MANY-"; path != ""; pages++ {
		body := b.get(path).body
		path = ""
		for part := range strings.SplitSeq(body, `href="`) {
			to, rest, _ := strings.Cut(part, `"`)
			if name, ok := strings.CutPrefix(to, "/admin/partners/many-"); ok {
				seen[name] = true
			}
			if strings.HasPrefix(rest, ` rel="next"`) {
				path = strings.ReplaceAll(to, "&amp;", "&")
			}
		}
	}
	if len(seen) != 120 || pages != 3 {
		t.Errorf("%d partners on %d pages", len(seen), pages)
	}
	if body := b.get("/admin/partners?q=company+117").body; !strings.Contains(body, "many-117") || strings.Contains(body, "many-116") {
		t.Error("a title is not found")
	}
	if body := b.get("/admin/partners?state=suspended").body; !strings.Contains(body, "No partner fits") {
		t.Error("active partners are found as suspended")
	}
}

// TestPartnerPageByPage walks over the lists of a partner who has more of everything than its page shows at a time.
func TestPartnerPageByPage(t *testing.T) {
	const count = 2*listed + 10
	e := newEstate(t)
	var many []manager.Resource
	for i := range count {
		name := fmt.Sprintf("many-%03d", i)
		many = append(many,
			&manager.Application{Metadata: manager.Metadata{Name: name, Partner: "acme"}, Spec: manager.ApplicationSpec{Title: fmt.Sprint("Program ", i)}},
			&manager.Subscription{Metadata: manager.Metadata{Name: name, Partner: "acme"},
				Spec: manager.SubscriptionSpec{Product: "payments", Environment: "sandbox", Plan: "starter", Applications: []string{name}, State: manager.StateEnded}})
	}
	_, err := e.service.Apply(context.Background(), operator, many, manager.ApplyOptions{})
	must(t, err)
	for range listed + 3 {
		_, err := e.service.CreateCredential(context.Background(), operator, "acme", "many-000", "sandbox", 0)
		must(t, err)
	}
	b := e.signedIn(bootstrapToken)
	for list, row := range map[string]string{"applications": `<code class="muted">many-`, "subscriptions": `<code>many-`} {
		seen, pages := map[string]bool{}, 0
		for path := "/admin/partners/acme?q=MANY"; path != ""; pages++ {
			body := b.get(path).body
			rows := strings.Split(body, row)[1:]
			if len(rows) > listed {
				t.Fatalf("%s: %d %s on one page", path, len(rows), list)
			}
			for _, r := range rows {
				seen[r[:3]] = true
			}
			path = ""
			for part := range strings.SplitSeq(body, `href="`) {
				to, rest, _ := strings.Cut(strings.ReplaceAll(part, "&amp;", "&"), `"`)
				if strings.HasSuffix(to, "#"+list) && strings.HasPrefix(rest, ` rel="next"`) {
					path, _, _ = strings.Cut(to, "#")
				}
			}
		}
		if len(seen) != count || pages != 3 {
			t.Errorf("%d %s on %d pages", len(seen), list, pages)
		}
	}
	body := b.get("/admin/partners/acme?q=program+7").body
	if !strings.Contains(body, "Program 7 ") || strings.Contains(body, "Program 8 ") || !strings.Contains(body, `value="program 7"`) {
		t.Error("a title is not found, or another is")
	}
	if body := b.get("/admin/partners/acme?q=many-000").body; !strings.Contains(body, "And 3 more keys") {
		t.Error("nothing says how many keys are not shown")
	}
	behind := base64.RawURLEncoding.EncodeToString([]byte("\xff")) // a page whose rows were deleted
	if body := b.get("/admin/partners/acme?subscriptions=" + behind + "&applications=" + behind).body; strings.Count(body, "No more.") != 2 {
		t.Error("behind the last row the lists say that there are none")
	}
	if body := b.get("/admin/partners/globex").body; strings.Contains(body, `id="q"`) {
		t.Error("there is a search where everything is shown")
	}
}

// TestRequests asks who was refused, and what today's policy says of it.
func TestRequests(t *testing.T) {
	e := newEstate(t)
	now := e.now().UTC()
	record := func(at time.Duration, id, partner, product, outcome string, status int) manager.RequestRecord {
		return manager.RequestRecord{Time: now.Add(-at), RequestID: id, Method: "GET", Path: "/risk/scores/DE-1", Status: status, PolicyVersion: 2, Proxy: "edge-1",
			Key: manager.UsageKey{Partner: partner, Application: "dashboard", Product: product, Environment: "sandbox", Outcome: outcome}}
	}
	must(t, e.store.CommitSync(context.Background(), manager.SyncCommit{
		Proxy: &manager.Proxy{ID: "edge-1", Node: "edge-1", FirstSeen: now, LastSync: now, PolicyAt: now, Sequence: 1},
		Requests: []manager.RequestRecord{
			record(time.Minute, "first", "globex", "", "operation_not_found", 404), record(time.Hour, "second", "acme", "payments", "admitted", 200),
			record(72*time.Hour, "third", "acme", "payments", "admitted", 200),
		},
		Usage: []manager.UsageRow{{Minute: now.Truncate(time.Minute), Requests: 7, Key: manager.UsageKey{Partner: "acme", Product: "payments", Outcome: "admitted"}}},
	}))
	b, team := e.signedIn(bootstrapToken), e.signedIn(e.token("team", manager.TokenOperator, "core-banking"))
	from := url.QueryEscape(now.Add(-100 * time.Hour).Format(formTime))
	for path, want := range map[string]string{
		"/admin/requests":                               "first second",
		"/admin/requests?partner=globex":                "first",
		"/admin/requests?outcome=admitted":              "second",
		"/admin/requests?product=payments&from=" + from: "second third",
		"/admin/requests?request_id=third":              "third",
		"/admin/requests?partner=nobody":                "",
	} {
		body := b.get(path).body
		for _, id := range []string{"first", "second", "third"} {
			if strings.Contains(body, "<code>"+id+"</code>") != strings.Contains(want, id) {
				t.Errorf("%s: %s", path, id)
			}
		}
	}
	if body := team.get("/admin/requests").body; strings.Contains(body, "<code>first</code>") || !strings.Contains(body, "<code>second</code>") {
		t.Error("a team's token sees others' requests, or not its own")
	}
	if a := team.get("/admin/requests?product=risk-feeds"); a.status != http.StatusNotFound {
		t.Errorf("another team's requests: %d", a.status)
	}
	if body := team.get("/admin").body; !strings.Contains(body, "<dd>7</dd>") {
		t.Error("the overview of a team lacks its requests")
	}
	asked := b.get("/admin/explain?partner=globex&environment=sandbox&method=get&path=/risk/scores/DE-1").body
	if !strings.Contains(asked, `/docs/errors/operation_not_found`) || !strings.Contains(asked, "<strong>operation</strong>") {
		t.Error("the policy does not say why")
	}
	if a := b.get("/admin/explain?partner=nobody&environment=sandbox&method=GET&path=/x"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "There is no partner nobody.") {
		t.Errorf("about nobody: %d", a.status)
	}
	if a := b.get("/admin/requests?from=yesterday"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("since yesterday: %d", a.status)
	}
}

// TestTeams looks as a token that is confined to the team of one product.
func TestTeams(t *testing.T) {
	e := newEstate(t)
	b := e.signedIn(e.token("team", manager.TokenOperator, "core-banking"))
	for path, hidden := range map[string]bool{"/admin/products": true, "/admin/partners/acme": true, "/admin/products/payments": false, "/admin/audit": true} {
		a := b.get(path)
		if a.status != http.StatusOK || !strings.Contains(a.body, "ayments") || hidden && (strings.Contains(a.body, "isk feeds") || strings.Contains(a.body, "risk-feeds")) {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for path, want := range map[string]int{
		"/admin/products/risk-feeds": 404, "/admin/partners/acme/subscriptions/risk-sandbox/state?to=suspended": 404,
		"/admin/partners/acme/subscriptions/payments-sandbox/state?to=suspended": 200, "/admin/partners/acme/state?to=suspended": 403,
		"/admin/explain": 403,
	} {
		if a := b.get(path); a.status != want {
			t.Errorf("%s: %d, not %d", path, a.status, want)
		}
	}
}
