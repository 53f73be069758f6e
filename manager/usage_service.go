package manager

import (
	"context"
	"time"
)

// Bounds of what usage is asked for and how long it is kept.
const (
	defaultSpan      = 24 * time.Hour
	defaultRequests  = 100
	maxRequests      = 1000
	usageKept        = 400 * 24 * time.Hour
	requestsKept     = 30 * 24 * time.Hour
	retentionPeriod  = time.Hour
	proxyRecordsKept = 40 * 24 * time.Hour // longer than a batch may be old, so that a retry is still recognised
)

// Usage sums the usage of [From, To) by the dimensions of GroupBy. Without
// From and To it is that of the last 24 hours; without one of them, that of the
// 24 hours beside the other.
func (s *Service) Usage(ctx context.Context, q UsageQuery) ([]UsageSum, error) {
	if err := s.span(&q.From, &q.To); err != nil {
		return nil, err
	}
	sums, err := s.store.UsageSums(ctx, q)
	if err != nil {
		return nil, s.unavailable("UsageSums", err)
	}
	return sums, nil
}

// Requests lists logged requests of [From, To), newest first; the defaults are
// those of Usage. Limit is 100 where it is 0, and 1000 at most. A request id
// given without From and To is looked for in all that is kept.
func (s *Service) Requests(ctx context.Context, q RequestQuery) (*RequestPage, error) {
	if q.RequestID == "" || !q.From.IsZero() || !q.To.IsZero() {
		if err := s.span(&q.From, &q.To); err != nil {
			return nil, err
		}
	}
	if q.Limit <= 0 {
		q.Limit = defaultRequests
	}
	q.Limit = min(q.Limit, maxRequests)
	page, err := s.store.Requests(ctx, q)
	if err != nil {
		return nil, s.unavailable("Requests", err)
	}
	return page, nil
}

// span fills in what is missing of [from, to). An open end includes what
// proxies whose clock is ahead have logged.
func (s *Service) span(from, to *time.Time) error {
	switch {
	case from.IsZero() && to.IsZero():
		*to = s.now().Add(10 * time.Minute)
		*from = s.now().Add(-defaultSpan)
	case to.IsZero():
		*to = from.Add(defaultSpan)
	case from.IsZero():
		*from = to.Add(-defaultSpan)
	case !from.Before(*to):
		return &Error{Code: CodeInvalid, Message: "the time from must be before the time to", Fields: []Field{{Path: "from", Message: "must be before to"}}}
	}
	return nil
}

// LimitUse is how much of a quota is granted in its current window. What
// proxies hold and have not spent yet counts as used, since a proxy that dies
// with it does not give it back.
type LimitUse struct {
	Limit        Limit
	Subscription string // empty for a limit that counts for the whole partner
	Application  string // empty but for a limit that counts for each application
	Used         int64  // granted to proxies in this window
	Remaining    int64  // not granted to anybody yet
	ResetsAt     time.Time
}

// LimitUse tells how much is left of the quotas of a partner in an environment.
func (s *Service) LimitUse(ctx context.Context, partner, environment string) ([]LimitUse, error) {
	return nil, &Error{Code: CodeUnavailable, Message: "not built yet"}
}
