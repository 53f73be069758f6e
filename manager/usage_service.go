package manager

import (
	"context"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager/lease"
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
// 24 hours beside the other. Usage is kept by minutes, so that From is rounded
// down and To up to whole ones; the answer says to which.
func (s *Service) Usage(ctx context.Context, q UsageQuery) (*UsageAnswer, error) {
	if err := s.span(&q.From, &q.To); err != nil {
		return nil, err
	}
	q.From, q.To = q.From.Truncate(time.Minute), minuteAfter(q.To)
	sums, err := s.store.UsageSums(ctx, q)
	if err != nil {
		return nil, s.unavailable("UsageSums", err)
	}
	return &UsageAnswer{From: q.From, To: q.To, Sums: sums}, nil
}

// minuteAfter is the first whole minute that is not before t. What would be in
// the year 10000 stays as it is: RFC 3339 has no such year.
func minuteAfter(t time.Time) time.Time {
	if whole := t.Add(time.Minute - 1).Truncate(time.Minute); whole.UTC().Year() < 10000 {
		return whole
	}
	return t
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
		*to = s.now().Add(maxAhead)
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

// Limits are a subscription's: those of its plan, with its overrides.
func (s *Service) Limits(of *Subscription) []Limit { return s.current().limits(of) }

// LimitUse is how much of a quota is spent in its current window, as far as
// proxies have told. What they hold of it and have not spent is left, until one
// dies with it, which does not give it back.
type LimitUse struct {
	Limit        Limit
	Subscription string // empty for a limit that counts for the whole partner
	Application  string // empty but for a limit that counts for each application
	Used         int64  // in this window
	Remaining    int64  // of the contract, 0 at least
	ResetsAt     time.Time
}

// LimitUse tells how much is left of the quotas of a partner in an environment:
// by subscription and limit, then by application. Limits that count for the
// whole partner stand once, without subscription.
func (s *Service) LimitUse(ctx context.Context, partner, environment string) ([]LimitUse, error) {
	now := s.now()
	uses, ids := s.current().quotas(partner, environment, now)
	buckets, err := s.store.Buckets(ctx, ids)
	if err != nil {
		return nil, s.unavailable("Buckets", err)
	}
	gone := s.goneAt(ctx, now)
	for i := range uses {
		u, id := &uses[i], ids[i]
		kind, requests, _ := u.Limit.contract()
		bucket := lease.New(kind)
		if len(buckets) > 0 && buckets[0].ID == id {
			if stored, err := lease.Decode(kind, buckets[0].State); err == nil {
				bucket = stored
			}
			buckets = buckets[1:]
		}
		spent, end := bucket.Spent(now.UnixMilli(), gone)
		u.Used, u.Remaining, u.ResetsAt = spent, max(requests-spent, 0), time.UnixMilli(end).UTC()
	}
	return uses, nil
}

// quotas lists the quotas that count now, and the ids of their buckets, in step.
func (s *state) quotas(partner, environment string, now time.Time) (uses []LimitUse, ids []string) {
	p, ok := s.partner(partner)
	if !ok {
		return nil, nil
	}
	shared := map[string]bool{}
	for _, name := range names(p.subscriptions) {
		subscription := p.subscriptions[name]
		if subscription.Spec.Environment != environment || !subscription.inForce(now) {
			continue
		}
		for _, l := range s.limits(subscription) {
			if l.Quota == nil {
				continue
			}
			for _, u := range p.counters(subscription, l) {
				id := u.bucket(partner, environment)
				if u.Subscription == "" && shared[id] {
					continue
				}
				shared[id] = true
				uses, ids = append(uses, u), append(ids, id)
			}
		}
	}
	return uses, ids
}

// counters are the counters of one limit of a subscription: one, or one for
// each application.
func (p *partnerState) counters(of *Subscription, l Limit) []LimitUse {
	switch l.scope() {
	case ScopePartner:
		return []LimitUse{{Limit: l}}
	case ScopeApplication:
		applications := of.Spec.Applications
		if len(applications) == 0 {
			applications = names(p.applications)
		}
		uses := make([]LimitUse, len(applications))
		for i, application := range applications {
			uses[i] = LimitUse{Limit: l, Subscription: of.Metadata.Name, Application: application}
		}
		return uses
	}
	return []LimitUse{{Limit: l, Subscription: of.Metadata.Name}}
}

// bucket is the id of the counter's bucket.
func (u *LimitUse) bucket(partner, environment string) string {
	kind, _, _ := u.Limit.contract()
	scope := map[Scope]policy.Scope{ScopePartner: policy.ScopePartner, ScopeApplication: policy.ScopeApplication}[u.Limit.scope()]
	d := policy.Decision{Partner: partner, Environment: environment, Subscription: u.Subscription, Application: u.Application}
	return string(policy.AppendBucketID(nil, &d, &policy.Limit{Name: u.Limit.Name, Kind: kind, Scope: scope}))
}

// retain drops now and then what is too old to be kept.
func (s *Service) retain() {
	ticker := time.NewTicker(retentionPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			s.dropOld(s.ctx)
		}
	}
}

func (s *Service) dropOld(ctx context.Context) {
	now, all := s.now(), true
	s.contacts.forget(now.Add(-retentionPeriod))
	done := func(call string, err error) {
		if err != nil {
			all = false
			_ = s.unavailable(call, err) // logged and counted; it is tried again in an hour
		}
	}
	done("DeleteUsageBefore", s.store.DeleteUsageBefore(ctx, now.Add(-usageKept), now.Add(-requestsKept)))
	done("DeleteExpiredMarks", s.store.DeleteExpiredMarks(ctx, now))
	done("DeleteProxiesBefore", s.store.DeleteProxiesBefore(ctx, now.Add(-proxyRecordsKept)))
	if s.auditKept > 0 {
		done("DeleteAuditBefore", s.store.DeleteAuditBefore(ctx, now.Add(-s.auditKept)))
	}
	s.metrics.retained(all)
}
