package httpapi

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// query reads the query of a request strictly and keeps the first error.
type query struct {
	values url.Values
	err    error
}

// readQuery accepts only the parameters named, each at most once.
func readQuery(c *gin.Context, known ...string) *query {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.err = errBad("the query cannot be read: %s", err)
		return q
	}
	for name, v := range values {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			q.fail(name, "is not a parameter here; there are none")
		case !slices.Contains(known, name):
			q.fail(name, "is not a parameter here; there are %s", strings.Join(known, ", "))
		case len(v) > 1 && name != "group_by":
			q.fail(name, "is given %d times", len(v))
		}
	}
	return q
}

func (q *query) fail(name, format string, args ...any) {
	if q.err == nil {
		q.err = errInvalid(name, format, args...)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// flag reads true or false; the bare name counts as true.
func (q *query) flag(name string) bool {
	if !q.values.Has(name) {
		return false
	}
	switch q.text(name) {
	case "", "true", "1":
		return true
	case "false", "0":
		return false
	}
	q.fail(name, "is %q; it must be true or false", q.text(name))
	return false
}

// number reads a whole number from low to high, or otherwise where it is absent.
func (q *query) number(name string, low, high, otherwise int64) int64 {
	if q.text(name) == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(q.text(name), 10, 64)
	if err != nil || n < low || n > high {
		q.fail(name, "is %q; it must be a whole number from %d to %d", q.text(name), low, high)
	}
	return n
}

// limit is the size of a page; 0 where none is asked for.
func (q *query) limit() int { return int(q.number("limit", 1, 500, 0)) }

// span reads from and to: RFC 3339, or a duration before now such as -1h or
// -7d. Without to it ends now; without from it is the 24 hours before its end.
func (q *query) span(now time.Time) (from, to time.Time) {
	to = q.moment("to", now, now)
	from = q.moment("from", now, to.Add(-24*time.Hour))
	if !from.Before(to) {
		q.fail("from", "is %s; it must be before to, which is %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to
}

func (q *query) moment(name string, now, otherwise time.Time) time.Time {
	given := q.text(name)
	if given == "" {
		return otherwise
	}
	// A plus sign in a query is a space unless it is escaped; no time has a space.
	if t, err := time.Parse(time.RFC3339, strings.ReplaceAll(given, " ", "+")); err == nil && writable(t) {
		return t.UTC()
	}
	if d, err := manager.ParseDuration(given); err == nil && d <= 0 {
		return now.Add(d)
	}
	q.fail(name, "is %q; write a time such as 2026-01-31T12:00:00Z, or how long ago such as -1h or -7d", given)
	return otherwise
}

// writable tells whether an answer can have the time: RFC 3339 knows no year
// before 0 or after 9999. A day before it can be the other end of a window.
func writable(t time.Time) bool { return t.UTC().Year() > 0 && t.UTC().Year() < 10000 }

// readDuration reads a positive duration of a body's field; empty gives otherwise.
func readDuration(field, given string, otherwise time.Duration) (time.Duration, error) {
	if given == "" {
		return otherwise, nil
	}
	d, err := manager.ParseDuration(given)
	if errors.Is(err, manager.ErrLongDuration) && !strings.HasPrefix(given, "-") {
		return 0, errInvalid(field, "is %q, which is too long; write a shorter one, such as 24h or 30d", given)
	}
	if err != nil || d < 0 {
		return 0, errInvalid(field, "is %q; write a duration such as 24h or 30d", given)
	}
	return d, nil
}
