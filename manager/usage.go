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

// UsageSum is one group of a UsageQuery's answer.
type UsageSum struct {
	Group    map[UsageDimension]string // time buckets as RFC 3339
	Requests int64
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
