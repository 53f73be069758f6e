package manager

import "time"

// UsageKey is what usage is counted by. The empty string stands for "not known":
// a request without a known key has no partner.
type UsageKey struct {
	Partner, Application, Product, Environment, Operation string
	Outcome                                               string // "admitted" or the refusal's code
}

// UsageRow is how many requests of one key ended in one minute.
type UsageRow struct {
	Minute   time.Time // UTC, whole minute
	Key      UsageKey
	Requests int64
}

// UsageDimension names a field of UsageKey, in the words of the API.
type UsageDimension string

// The dimensions, and the two time buckets that group_by also takes.
const (
	ByPartner     UsageDimension = "partner"
	ByApplication UsageDimension = "application"
	ByProduct     UsageDimension = "product"
	ByEnvironment UsageDimension = "environment"
	ByOperation   UsageDimension = "operation"
	ByOutcome     UsageDimension = "outcome"
	ByHour        UsageDimension = "hour"
	ByDay         UsageDimension = "day"
	ByMinute      UsageDimension = "minute"
)

// UsageQuery selects usage of [From, To) and groups it. Empty fields select all.
type UsageQuery struct {
	Match    UsageKey
	From, To time.Time
	GroupBy  []UsageDimension
}

// hourly tells for each dimension whether rows of Hourly have it.
var hourly = map[UsageDimension]bool{ByProduct: true, ByOutcome: true, ByHour: true, ByDay: true}

// Hourly tells whether the sums that stores keep by hour, product and outcome
// answer the query.
func (q *UsageQuery) Hourly() bool {
	for _, dimension := range q.GroupBy {
		if !hourly[dimension] {
			return false
		}
	}
	return q.Match == (UsageKey{Product: q.Match.Product, Outcome: q.Match.Outcome}) && wholeHour(q.From) && wholeHour(q.To)
}

func wholeHour(t time.Time) bool { return t.Equal(t.Truncate(time.Hour)) }

// Hourly are the sums of rows by hour, product and outcome. Stores keep them
// beside the rows: what a day is asked for about everybody sums thousands of
// them in place of millions of rows.
func Hourly(rows []UsageRow) []UsageRow {
	var sums []UsageRow
	at := map[UsageRow]int{} // its place, by the rest
	for _, row := range rows {
		hour := UsageRow{Minute: row.Minute.UTC().Truncate(time.Hour), Key: UsageKey{Product: row.Key.Product, Outcome: row.Key.Outcome}}
		place, known := at[hour]
		if !known {
			place = len(sums)
			at[hour], sums = place, append(sums, hour)
		}
		sums[place].Requests += row.Requests
	}
	return sums
}

// UsageSum is one group of a UsageQuery's answer.
type UsageSum struct {
	Group    map[UsageDimension]string // time buckets as RFC 3339
	Requests int64
}

// UsageAnswer is what a UsageQuery finds.
type UsageAnswer struct {
	From, To time.Time // whole minutes: what was summed is [From, To)
	Sums     []UsageSum
}

// RequestRecord is one logged decision.
type RequestRecord struct {
	Time          time.Time
	RequestID     string
	Key           UsageKey
	Credential    string // public id; empty where none was known
	Method, Path  string // path as received, without query
	Status        int    // what the client got; 0 where nobody knows
	Limit         string // the limit's name where one refused
	PolicyVersion int64
	Proxy         string
}

// RequestQuery selects logged requests of [From, To), newest first.
type RequestQuery struct {
	Match     UsageKey
	RequestID string
	From, To  time.Time
	Limit     int
	Cursor    string // from the page before; empty for the first
}

// RequestPage is one page of logged requests; Next is empty on the last.
type RequestPage struct {
	Items []RequestRecord
	Next  string
}
