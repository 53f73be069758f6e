package sqlite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// defaultPage is the length of a page for which no limit was given.
const defaultPage = 100

func (k usageKeys) addRequests(ctx context.Context, records []manager.RequestRecord) error {
	for _, r := range records {
		key, err := k.number(ctx, r.Key)
		if err != nil {
			return err
		}
		_, err = k.tx.exec(ctx, `
INSERT INTO request (time, request_id, partner, key, credential, method, path, status, limit_name, policy_version, proxy)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.Time.UnixMicro(), r.RequestID, r.Key.Partner, key, r.Credential, r.Method, r.Path, r.Status, r.Limit,
			r.PolicyVersion, r.Proxy)
		if err != nil {
			return err
		}
	}
	return nil
}

// Requests implements manager.UsageStore. Among equal times, what was stored
// later is newer. A zero From or To is no bound; a Limit below 1 means 100.
func (s *Store) Requests(ctx context.Context, q manager.RequestQuery) (*manager.RequestPage, error) {
	if q.Limit < 1 {
		q.Limit = defaultPage
	}
	conditions, args, err := requestConditions(&q)
	if err != nil {
		return nil, err
	}
	page := &manager.RequestPage{}
	var last position
	err = s.read(ctx, "list requests", func(tx transaction) error {
		index := requestIndex(&q)
		if rare, err := s.fewFit(ctx, tx, &q, conditions, args); err != nil {
			return err
		} else if rare {
			index = byKey
		}
		query, args := requestQuery(index, conditions), append(args, q.Limit+1)
		return tx.each(ctx, query, args, func(rows *sql.Rows) error {
			if len(page.Items) == q.Limit { // one more than asked for tells that there is a next page
				page.Next = last.cursor()
				return nil
			}
			r, at, err := scanRequest(rows)
			page.Items, last = append(page.Items, r), at
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// byKey finds few requests by what they are about.
const byKey = "request_by_key"

// fewRequests is how many are few enough to be sorted for a page.
const fewRequests = 2000

// fewFit tells whether so few requests fit that they are best found by their
// keys. Of more, a page is soon full in the order in which they lie.
func (s *Store) fewFit(ctx context.Context, tx transaction, q *manager.RequestQuery, conditions string, args []any) (bool, error) {
	if q.RequestID != "" || q.Match == (manager.UsageKey{Partner: q.Match.Partner}) {
		return false, nil
	}
	var fit int
	err := tx.row(ctx, "SELECT count(*) FROM (SELECT 1 FROM request AS r INDEXED BY "+byKey+" WHERE "+conditions+" LIMIT ?)",
		append(slices.Clone(args), s.few+1), &fit)
	return fit <= s.few, err
}

// requestIndex answers in the order asked for, so that a page of what is not
// rare costs the same however long the log is.
func requestIndex(q *manager.RequestQuery) string {
	switch {
	case q.RequestID != "":
		return "request_by_request_id"
	case q.Match.Partner != "":
		return "request_by_partner"
	}
	return "request_by_time"
}

func requestConditions(q *manager.RequestQuery) (string, []any, error) {
	conditions, args := []string{"TRUE"}, []any(nil)
	where := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if q.Match.Partner != "" {
		where("r.partner = ?", q.Match.Partner)
	}
	if q.RequestID != "" {
		where("r.request_id = ?", q.RequestID)
	}
	if !q.From.IsZero() {
		where("r.time >= ?", q.From.UnixMicro())
	}
	if !q.To.IsZero() {
		where("r.time < ?", q.To.UnixMicro())
	}
	if q.Cursor != "" {
		after, err := parseCursor(q.Cursor)
		if err != nil {
			return "", nil, err
		}
		where("(r.time, r.id) < (?, ?)", after.time, after.id)
	}
	if keys, values := matching(q.Match); keys != nil {
		where("r.key IN (SELECT id FROM usage_key WHERE "+strings.Join(keys, " AND ")+")", values...)
	}
	return strings.Join(conditions, " AND "), args, nil
}

func requestQuery(index, conditions string) string {
	return `
SELECT r.id, r.time, r.request_id, r.credential, r.method, r.path, r.status, r.limit_name, r.policy_version, r.proxy,
       k.partner, k.application, k.product, k.environment, k.operation, k.outcome
FROM request AS r INDEXED BY ` + index + ` CROSS JOIN usage_key AS k ON k.id = r.key
WHERE ` + conditions + `
ORDER BY r.time DESC, r.id DESC LIMIT ?`
}

func scanRequest(rows *sql.Rows) (r manager.RequestRecord, at position, err error) {
	err = rows.Scan(&at.id, &at.time, &r.RequestID, &r.Credential, &r.Method, &r.Path, &r.Status, &r.Limit, &r.PolicyVersion, &r.Proxy,
		&r.Key.Partner, &r.Key.Application, &r.Key.Product, &r.Key.Environment, &r.Key.Operation, &r.Key.Outcome)
	r.Time = time.UnixMicro(at.time).UTC()
	return r, at, err
}

// position is the place of a request in the log; what is stored later never moves it.
type position struct{ time, id int64 }

func (p position) cursor() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.time))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, uint64(p.id)))
}

func parseCursor(cursor string) (position, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 16 {
		return position{}, &manager.Error{
			Code:    manager.CodeInvalid,
			Message: "the cursor is not one that this store gave out",
			Fields:  []manager.Field{{Path: "cursor", Message: "take it unchanged from the page before, or leave it out to begin at the newest"}},
		}
	}
	return position{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}, nil
}
