package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// usageKeys finds the numbers of usage keys, each once a transaction.
type usageKeys struct {
	tx    transaction
	known map[manager.UsageKey]int64
}

func (k usageKeys) number(ctx context.Context, key manager.UsageKey) (int64, error) {
	if n, ok := k.known[key]; ok {
		return n, nil
	}
	words := []any{key.Partner, key.Application, key.Product, key.Environment, key.Operation, key.Outcome}
	var n int64
	err := k.tx.row(ctx, `
SELECT id FROM usage_key
WHERE partner = ? AND application = ? AND product = ? AND environment = ? AND operation = ? AND outcome = ?`, words, &n)
	if errors.Is(err, manager.ErrMissing) {
		err = k.tx.row(ctx, `
INSERT INTO usage_key (partner, application, product, environment, operation, outcome) VALUES (?, ?, ?, ?, ?, ?)
RETURNING id`, words, &n)
	}
	if err != nil {
		return 0, err
	}
	k.known[key] = n
	return n, nil
}

func (k usageKeys) addUsage(ctx context.Context, rows []manager.UsageRow) error {
	for _, row := range rows {
		key, err := k.number(ctx, row.Key)
		if err != nil {
			return err
		}
		minute := minuteOf(row.Minute)
		_, err = k.tx.exec(ctx, `
INSERT INTO usage (day, key, minute, requests) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET requests = requests + excluded.requests`, dayOf(minute), key, minute, row.Requests)
		if err != nil {
			return err
		}
	}
	return k.addHours(ctx, manager.Hourly(rows))
}

func (k usageKeys) addHours(ctx context.Context, sums []manager.UsageRow) error {
	for _, sum := range sums {
		key, err := k.number(ctx, sum.Key)
		if err != nil {
			return err
		}
		_, err = k.tx.exec(ctx, `
INSERT INTO usage_hour (hour, key, requests) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET requests = requests + excluded.requests`, minuteOf(sum.Minute), key, sum.Requests)
		if err != nil {
			return err
		}
	}
	return nil
}

func addCredentialUses(ctx context.Context, tx transaction, uses map[string]map[string]time.Time) error {
	for partner, credentials := range uses {
		for credential, at := range credentials {
			_, err := tx.exec(ctx, `
INSERT INTO credential_use (partner, credential, used_at) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET used_at = max(used_at, excluded.used_at)`, partner, credential, at.UnixMicro())
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// CredentialUses implements manager.UsageStore.
func (s *Store) CredentialUses(ctx context.Context, partner string) (map[string]time.Time, error) {
	uses := map[string]time.Time{}
	err := s.read(ctx, "read when credentials were used", func(tx transaction) error {
		const query = "SELECT credential, used_at FROM credential_use WHERE partner = ?"
		return tx.each(ctx, query, []any{partner}, func(rows *sql.Rows) error {
			var credential string
			var at time.Time
			err := rows.Scan(&credential, micros{&at})
			uses[credential] = at
			return err
		})
	})
	return uses, err
}

// minuteOf is the minute that t lies in.
func minuteOf(t time.Time) int64 { return floor(t.Unix(), 60) }

// minutesFrom is the first minute that does not begin before t.
func minutesFrom(t time.Time) int64 { return minuteOf(t.Add(time.Minute - 1)) }

func dayOf(minute int64) int64 { return floor(minute, minutesOfDay) }

// bucketFrom is the first minute of the bucket of that length that t lies in.
func bucketFrom(t time.Time, length int64) int64 { return floor(minuteOf(t), length) * length }

// floor divides and rounds down, before 1970 too.
func floor(n, by int64) int64 {
	quotient := n / by
	if n%by < 0 {
		quotient--
	}
	return quotient
}

const minutesOfDay = 24 * 60

// bucketMinutes are the time buckets' lengths.
var bucketMinutes = map[manager.UsageDimension]int64{manager.ByMinute: 1, manager.ByHour: 60, manager.ByDay: minutesOfDay}

// matching are the conditions on usage_key for the fields of m that are given.
func matching(m manager.UsageKey) (conditions []string, args []any) {
	for _, field := range []struct{ condition, value string }{
		{"partner = ?", m.Partner},
		{"application = ?", m.Application},
		{"product = ?", m.Product},
		{"environment = ?", m.Environment},
		{"operation = ?", m.Operation},
		{"outcome = ?", m.Outcome},
	} {
		if field.value != "" {
			conditions, args = append(conditions, field.condition), append(args, field.value)
		}
	}
	return conditions, args
}

// UsageSums implements manager.UsageStore. A minute belongs to [From, To)
// where it begins in it; a zero From or To is no bound.
func (s *Store) UsageSums(ctx context.Context, q manager.UsageQuery) ([]manager.UsageSum, error) {
	var sums []manager.UsageSum
	err := s.read(ctx, "sum usage", func(tx transaction) error {
		hourly, err := hoursAnswer(ctx, tx, &q)
		if err != nil {
			return err
		}
		query, args, err := sumQuery(q, hourly)
		if err != nil {
			return err
		}
		return tx.each(ctx, query, args, func(rows *sql.Rows) error {
			sum, err := scanSum(rows, q.GroupBy)
			sums = append(sums, sum)
			return err
		})
	})
	return sums, err
}

// hoursAnswer tells whether the sums of hours answer the query, and are whole as far as it asks.
func hoursAnswer(ctx context.Context, tx transaction, q *manager.UsageQuery) (bool, error) {
	if !q.Hourly() {
		return false, nil
	}
	var since int64
	err := tx.row(ctx, "SELECT hours_since FROM meta", nil, &since)
	return since == 0 || !q.From.IsZero() && minuteOf(q.From) >= since, err
}

// sumQuery sums by key and the shortest bucket first, and joins the few sums
// that remain with their words.
func sumQuery(q manager.UsageQuery, hourly bool) (string, []any, error) {
	columns, length, err := groupColumns(q.GroupBy)
	if err != nil {
		return "", nil, err
	}
	summed, args := minuteSums(q, length)
	if hourly {
		summed, args = hourSums(q, length)
	}
	query := fmt.Sprintf("SELECT %s sum(summed.requests) FROM (%s) AS summed CROSS JOIN usage_key ON usage_key.id = summed.key",
		strings.Join(append(columns, ""), ", "), summed)
	if len(columns) == 0 {
		return query + " HAVING count(*) > 0", args, nil
	}
	places := make([]string, len(columns))
	for i := range columns {
		places[i] = strconv.Itoa(i + 1)
	}
	list := strings.Join(places, ", ")
	return query + " GROUP BY " + list + " ORDER BY " + list, args, nil
}

// storedDays are the days of a range that can have rows, one by one: with
// them and the keys of a partner, SQLite goes straight to each key's minutes.
const storedDays = `day IN (
        WITH RECURSIVE stored (day) AS (
            SELECT max(?, (SELECT min(day) FROM usage))
            UNION ALL SELECT day + 1 FROM stored WHERE day < min(?, (SELECT max(day) FROM usage))
        ) SELECT day FROM stored)`

// span is the minutes that a query asks about: from the first to before the second.
func span(q manager.UsageQuery) (from, to int64) {
	from, to = -1<<40, 1<<40 // minutes beyond all times
	if !q.From.IsZero() {
		from = minutesFrom(q.From)
	}
	if !q.To.IsZero() {
		to = minutesFrom(q.To)
	}
	return from, to
}

// minuteSums sums by day, key and bucket, which is the order of the rows.
func minuteSums(q manager.UsageQuery, length int64) (query string, args []any) {
	bucket, group := shortestBucket(length)
	conditions, args := usageConditions(q)
	return fmt.Sprintf("SELECT key, %s AS bucket, sum(requests) AS requests FROM usage WHERE %s GROUP BY day, key%s",
		bucket, strings.Join(conditions, " AND "), group), args
}

// hourSums is minuteSums of the sums of hours.
func hourSums(q manager.UsageQuery, length int64) (query string, args []any) {
	from, to := span(q)
	conditions, args := withKeys(q.Match, []string{"hour >= ?", "hour < ?"}, []any{from, to})
	return fmt.Sprintf("SELECT key, %s AS bucket, sum(requests) AS requests FROM usage_hour WHERE %s GROUP BY key, 2",
		bucketOf("hour", length), strings.Join(conditions, " AND ")), args
}

// withKeys adds that the key matches.
func withKeys(match manager.UsageKey, conditions []string, args []any) ([]string, []any) {
	if keys, values := matching(match); keys != nil {
		conditions = append(conditions, "key IN (SELECT id FROM usage_key WHERE "+strings.Join(keys, " AND ")+")")
		args = append(args, values...)
	}
	return conditions, args
}

func usageConditions(q manager.UsageQuery) (conditions []string, args []any) {
	from, to := span(q)
	// One partner's keys are few. Other fields select too many for a search
	// each: then all rows of the days are read in the order in which they lie.
	days := "day BETWEEN ? AND ?"
	if q.Match.Partner != "" {
		days = storedDays
	}
	return withKeys(q.Match, []string{days, "minute >= ?", "minute < ?"}, []any{dayOf(from), dayOf(to), from, to})
}

// shortestBucket is the first minute of the bucket of that length that a row
// belongs to, and what it adds to the grouping by day and key. Days add
// nothing: so those sums need no sorting, however many rows they are of.
func shortestBucket(length int64) (minute, group string) {
	if length == minutesOfDay {
		return fmt.Sprintf("day * %d", minutesOfDay), ""
	}
	return bucketOf("minute", length), ", 2"
}

// groupColumns are the columns of the groups, and the length of the shortest
// time bucket among them: a day's where there is none.
func groupColumns(by []manager.UsageDimension) (columns []string, length int64, err error) {
	length = minutesOfDay
	for _, dimension := range by {
		if minutes, ok := bucketMinutes[dimension]; ok {
			columns = append(columns, bucketOf("summed.bucket", minutes))
			length = min(length, minutes)
			continue
		}
		switch dimension {
		case manager.ByPartner, manager.ByApplication, manager.ByProduct, manager.ByEnvironment, manager.ByOperation, manager.ByOutcome:
			columns = append(columns, "usage_key."+string(dimension))
		default:
			return nil, 0, unknownDimension(dimension)
		}
	}
	return columns, length, nil
}

func unknownDimension(dimension manager.UsageDimension) error {
	return &manager.Error{
		Code:    manager.CodeInvalid,
		Message: fmt.Sprintf("usage cannot be grouped by %q", dimension),
		Fields:  []manager.Field{{Path: "group_by", Message: "must be partner, application, product, environment, operation, outcome, minute, hour or day"}},
	}
}

// bucketOf is the first minute of the bucket of that length.
func bucketOf(minute string, length int64) string {
	return fmt.Sprintf("%s - %s %% %d", minute, minute, length)
}

func scanSum(rows *sql.Rows, by []manager.UsageDimension) (manager.UsageSum, error) {
	words, minutes := make([]string, len(by)), make([]int64, len(by))
	sum := manager.UsageSum{Group: make(map[manager.UsageDimension]string, len(by))}
	into := make([]any, 0, len(by)+1)
	for i, dimension := range by {
		if _, ok := bucketMinutes[dimension]; ok {
			into = append(into, &minutes[i])
		} else {
			into = append(into, &words[i])
		}
	}
	if err := rows.Scan(append(into, &sum.Requests)...); err != nil {
		return sum, err
	}
	for i, dimension := range by {
		if _, ok := bucketMinutes[dimension]; ok {
			words[i] = time.Unix(minutes[i]*60, 0).UTC().Format(time.RFC3339)
		}
		sum.Group[dimension] = words[i]
	}
	return sum, nil
}
