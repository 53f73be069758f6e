package web

import (
	"net/url"
	"time"
)

// TimeRange is a stretch of time that pages offer to look at.
type TimeRange struct {
	Value, Label string
	Step         time.Duration                 // of the chart
	from         func(now time.Time) time.Time // whole steps before now
}

var Ranges = []TimeRange{
	{"1h", "Last hour", 5 * time.Minute, func(now time.Time) time.Time { return now.Add(-time.Hour) }},
	{"24h", "24 hours", time.Hour, func(now time.Time) time.Time { return now.Truncate(time.Hour).Add(-23 * time.Hour) }},
	{"7d", "7 days", 24 * time.Hour, func(now time.Time) time.Time { return now.Truncate(24*time.Hour).AddDate(0, 0, -6) }},
	{"30d", "30 days", 24 * time.Hour, func(now time.Time) time.Time { return now.Truncate(24*time.Hour).AddDate(0, 0, -29) }},
	{"month", "This month", 24 * time.Hour, func(now time.Time) time.Time {
		return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	}},
}

// RangeOf is the range that the address asks for, else the one named otherwise.
func RangeOf(value, otherwise string) TimeRange {
	fallback := Ranges[0]
	for _, r := range Ranges {
		if r.Value == value {
			return r
		}
		if r.Value == otherwise {
			fallback = r
		}
	}
	return fallback
}

// period is a range as of now: [from, to), a minute beyond now so that the
// minute under way counts.
func (r TimeRange) Period(now time.Time) (from, to time.Time) {
	now = now.UTC()
	return r.from(now), now.Add(time.Minute)
}

// ExactRange is the range of a window that is given by its ends.
const ExactRange = "exact"

// Window is the time that a log is looked at: one of the ranges, or from one
// minute to another, in UTC.
type Window struct {
	Range      string
	From, To   string    // as a datetime-local input has them
	Problem    string    // what is wrong with From and To
	Start, End time.Time // [Start, End)
}

// minuteLayout is that of datetime-local inputs.
const minuteLayout = "2006-01-02T15:04"

// ReadWindow is the window that an address asks for: the last 24 hours where it says nothing.
func ReadWindow(query url.Values, now time.Time) Window {
	if query.Get("range") != ExactRange {
		r := RangeOf(query.Get("range"), "24h")
		w := Window{Range: r.Value}
		w.Start, w.End = r.Period(now)
		return w
	}
	w := Window{Range: ExactRange, From: query.Get("from"), To: query.Get("to")}
	var errFrom, errTo error
	w.Start, errFrom = time.Parse(minuteLayout, w.From)
	w.End, errTo = time.Parse(minuteLayout, w.To)
	switch {
	case errFrom != nil || errTo != nil:
		w.Problem = "Give both ends of the time, such as 2026-11-24T08:00, in UTC."
	case !w.Start.Before(w.End):
		w.Problem = "The time has to begin before it ends."
	}
	return w
}

// ExactWindow is the query of a window from one time to another.
func ExactWindow(from, to time.Time) url.Values {
	return url.Values{"range": {ExactRange}, "from": {from.UTC().Format(minuteLayout)}, "to": {to.UTC().Format(minuteLayout)}}
}

// Choices are the ranges, and the one that is given by its ends.
func (w Window) Choices() []Choice {
	list := make([]Choice, 0, len(Ranges)+1)
	for _, r := range Ranges {
		list = append(list, Choice{r.Value, r.Label, "", r.Value == w.Range})
	}
	return append(list, Choice{ExactRange, "From … to …", "", w.Range == ExactRange})
}
