package portal

import (
	"bytes"
	"encoding/csv"
	"sort"
	"strconv"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// mostDownloaded is how many requests one file holds: the newest.
const mostDownloaded = 10_000

// usageFile is the usage that the page shows, as a file for spreadsheets.
func (s *server) usageFile(v *visit) error {
	e, err := v.anyEnvironment()
	if err != nil {
		return err
	}
	view, _, q := v.usageQuestion(e)
	bucket := view.bucket()
	q.GroupBy = []manager.UsageDimension{bucket, manager.ByEnvironment, manager.ByApplication, manager.ByProduct, manager.ByOperation, manager.ByOutcome}
	usage, err := s.Service.Usage(v.ctx(), q)
	if err != nil {
		return err
	}
	header := make([]string, len(q.GroupBy), len(q.GroupBy)+1)
	for i, dimension := range q.GroupBy {
		header[i] = string(dimension)
	}
	rows := make([][]string, 0, len(usage.Sums))
	for _, sum := range usage.Sums {
		row := make([]string, 0, len(header)+1)
		for _, dimension := range q.GroupBy {
			row = append(row, sum.Group[dimension])
		}
		rows = append(rows, append(row, strconv.FormatInt(sum.Requests, 10)))
	}
	sort.Slice(rows, func(i, j int) bool { return strings.Join(rows[i], "\x00") < strings.Join(rows[j], "\x00") })
	return v.download("usage", append([][]string{append(header, "requests")}, rows...))
}

// requestsFile is the log that the page shows, up to the newest 10,000, as a file for spreadsheets.
func (s *server) requestsFile(v *visit) error {
	if _, err := v.anyEnvironment(); err != nil { // one that does not exist
		return err
	}
	form := readRequestFilter(v.r.URL.Query(), v.Now())
	if form.Problem != "" {
		return &manager.Error{Code: manager.CodeInvalid, Message: form.Problem}
	}
	rows := [][]string{{"time", "request_id", "application", "key", "environment", "method", "path", "product", "operation", "outcome", "status", "limit", "policy_version", "gateway"}}
	q := v.requestQuery(form)
	q.Limit, q.Cursor = 1000, ""
	for len(rows) <= mostDownloaded {
		page, err := s.Service.Requests(v.ctx(), q)
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			rows = append(rows, requestRow(r))
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	return v.download("requests", rows)
}

func requestRow(r manager.RequestRecord) []string {
	status := ""
	if r.Status != 0 {
		status = strconv.Itoa(r.Status)
	}
	return []string{
		web.MomentOf(r.Time, "").ISO, r.RequestID, r.Key.Application, r.Credential, r.Key.Environment, r.Method, r.Path,
		r.Key.Product, r.Key.Operation, r.Key.Outcome, status, r.Limit, strconv.FormatInt(r.PolicyVersion, 10), r.Proxy,
	}
}

// download answers with rows as a CSV file (RFC 4180), named after the partner and the day.
func (v *visit) download(name string, rows [][]string) error {
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	for _, row := range rows {
		for i := range row {
			row[i] = inert(row[i])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	if w.Flush(); w.Error() != nil {
		return w.Error()
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.name()+"-"+name+"-"+v.Now().UTC().Format("2006-01-02")+`.csv"`)
	_, _ = v.w.Write(body.Bytes()) // the client is gone: nobody to tell
	return nil
}

// inert is a cell that no spreadsheet takes for a formula: paths and request
// ids are whatever a client sent. Where lists are separated by semicolons, what
// follows one is a cell of its own; what follows a line break or tab may be, too.
func inert(cell string) string {
	var b strings.Builder
	written, begins := 0, true
	for at, r := range cell {
		if begins && strings.ContainsRune("=+-@＝＋－＠\t\r\n", r) {
			b.WriteString(cell[written:at] + "'")
			written = at
		}
		begins = strings.ContainsRune(";\t\r\n", r)
	}
	return b.String() + cell[written:]
}
