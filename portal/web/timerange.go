package web

import "time"

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
