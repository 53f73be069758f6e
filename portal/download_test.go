package portal

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// file is a download as rows, without its header, which is returned by itself.
func (b *browser) file(path string) (header []string, rows [][]string) {
	b.e.t.Helper()
	r := b.get(path)
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.HasPrefix(r.header.Get("Content-Disposition"), "attachment; filename=\"") {
		b.e.t.Fatalf("%s: status %d, %v", path, r.status, r.header)
	}
	all, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
	must(b.e.t, err)
	return all[0], all[1:]
}

func TestRequestsAsAFile(t *testing.T) {
	e := newEstate(t)
	e.traffic(e.key("acme", "checkout", "sandbox"))
	b := e.loggedIn(acmeAdmin)
	for query, want := range map[string]int{"": 130, "?outcome=environment_mismatch": 18, "?environment=production&outcome=admitted&cursor=zzz": 19, "?request_id=globex-0001": 0, "?application=nightly-reconciliation": 0} {
		header, rows := b.file("/requests.csv" + query)
		if len(rows) != want || len(header) != 14 || header[1] != "request_id" {
			t.Errorf("/requests.csv%s has %d rows under %v, not %d", query, len(rows), header, want)
		}
	}
	_, rows := b.file("/requests.csv?outcome=limit_exceeded")
	if row := strings.Join(rows[0][1:], ","); !strings.HasSuffix(row, ",production,POST,/payments/payments,payments,createPayment,limit_exceeded,429,throughput,7,edge-1.6f1a9c3e7b42") {
		t.Errorf("the row is %s", row)
	}
	if r := b.get("/requests.csv?range=exact&from=2026-11-24T08:00&to=2026-11-24T07:00"); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a window that ends before it begins: status %d", r.status)
	}
}

// TestLargestFile has one request more than a file holds.
func TestLargestFile(t *testing.T) {
	e := newEstate(t)
	records := make([]manager.RequestRecord, mostDownloaded+1)
	for i := range records {
		records[i] = manager.RequestRecord{
			Time: noon.Add(time.Duration(i-len(records)) * time.Millisecond), RequestID: strconv.Itoa(i), Method: "GET", Path: "/payments/payments",
			Key: manager.UsageKey{Partner: "acme", Outcome: "operation_not_found"}, Status: http.StatusNotFound,
		}
	}
	must(t, e.store.CommitSync(t.Context(), manager.SyncCommit{
		Proxy: &manager.Proxy{ID: "edge-1.1", Node: "edge-1", FirstSeen: noon, LastSync: noon, Sequence: 1}, Requests: records,
	}))
	_, rows := e.loggedIn(acmeAdmin).file("/requests.csv")
	if n := len(rows); n != mostDownloaded || rows[0][1] != strconv.Itoa(mostDownloaded) || rows[n-1][1] != "1" {
		t.Errorf("%d rows, from %v to %v", n, rows[0], rows[n-1])
	}
}

func TestUsageAsAFile(t *testing.T) {
	e := newEstate(t)
	e.traffic(e.key("acme", "checkout", "sandbox"))
	for email, product := range map[string]string{acmeAdmin: "risk-feeds", globexDev: "payments"} {
		b := e.loggedIn(email)
		for _, span := range []string{"24h", "30d"} {
			header, rows := b.file("/usage.csv?environment=sandbox&product=" + product + "&range=" + span)
			total := int64(0)
			for _, row := range rows {
				n, err := strconv.ParseInt(row[6], 10, 64)
				must(t, err)
				if total += n; row[1] != "sandbox" || row[3] != product {
					t.Errorf("%s sees %v", email, row)
				}
			}
			if want := map[string]string{"24h": "hour", "30d": "day"}[span]; header[0] != want || header[6] != "requests" {
				t.Errorf("the header is %v", header)
			}
			page := b.get("/usage?environment=sandbox&product=" + product + "&range=" + span).body
			if !strings.Contains(page, "<dt>Requests</dt><dd>"+web.Number(total)+"</dd>") {
				t.Errorf("%s, %s: the file has %d requests, the page others", email, span, total)
			}
		}
	}
}

func TestCellsAreNoFormulas(t *testing.T) {
	e := newEstate(t)
	record := requestRecords(noon, &manager.NewKey{ID: "aaaabbbbcccc"})[0]
	record.RequestID, record.Path, record.Method = "=cmd()", "/a,b\"\n;=cmd()", "+GET"
	must(t, e.store.CommitSync(t.Context(), manager.SyncCommit{
		Proxy: &manager.Proxy{ID: "edge-1.1", Node: "edge-1", FirstSeen: record.Time, LastSync: record.Time, Sequence: 1}, Requests: []manager.RequestRecord{record},
	}))
	_, rows := e.loggedIn(acmeAdmin).file("/requests.csv")
	if len(rows) != 1 || rows[0][1] != "'=cmd()" || rows[0][5] != "'+GET" || rows[0][6] != "/a,b\"\n;'=cmd()" {
		t.Errorf("the rows are %q", rows)
	}
	for cell, want := range map[string]string{
		"": "", "GET": "GET", "/a=b;c-d@e": "/a=b;c-d@e", "2026-11-24T08:00:00.000Z": "2026-11-24T08:00:00.000Z",
		`=HYPERLINK("https://evil.test")`: `'=HYPERLINK("https://evil.test")`, "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "＝1": "'＝1",
		"\tx": "'\tx", "\rx": "'\rx", "\n=x": "'\n'=x", "\t=x": "'\t'=x", "/\r-x": "/\r'-x", "/;=cmd()": "/;'=cmd()", "/;;@x;＋": "/;;'@x;'＋", "\xff;=x": "\xff;'=x",
	} {
		if got := inert(cell); got != want {
			t.Errorf("%q is written as %q, not %q", cell, got, want)
		}
	}
}

// TestWindows asks for requests between two minutes, and follows a bar of the chart to what is behind it.
func TestWindows(t *testing.T) {
	e := newEstate(t)
	e.traffic(e.key("acme", "checkout", "sandbox"))
	b := e.loggedIn(acmeAdmin)
	count := func(query string) int { return strings.Count(b.get("/requests?"+query).body, "<li><details>") }
	if n := count(web.ExactWindow(noon.Add(-time.Hour), noon.Add(time.Hour)).Encode()); n != requestsOnPage {
		t.Errorf("the last hour shows %d requests", n)
	}
	if n := count(web.ExactWindow(noon.Add(-48*time.Hour), noon.Add(-24*time.Hour)).Encode()); n != 0 {
		t.Errorf("the day before shows %d requests", n)
	}
	for _, wrong := range []string{"", "&from=2026-11-24T08:00", "&from=yesterday&to=2026-11-24T08:00", "&from=2026-11-24T08:00&to=2026-11-24T08:00"} {
		r := b.get("/requests?range=exact" + wrong)
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `role="alert"`) || strings.Contains(r.body, "<li><details>") {
			t.Errorf("%s: status %d", wrong, r.status)
		}
	}
	if r := b.get("/requests?product=payments&cursor=zzz"); r.status != http.StatusSeeOther || r.header.Get("Location") != "/requests?product=payments" {
		t.Errorf("a cursor of another store: %d to %s", r.status, r.header.Get("Location"))
	}
}
