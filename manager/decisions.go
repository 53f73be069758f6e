package manager

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager/lease"
)

// decisions are the steps of the buckets of one batch.
type decisions struct {
	x       *exchange
	now     time.Time
	ids     []string // in order
	reports map[string]*policy.Report
	others  map[string]presence

	grants  []policy.Grant
	forget  []string
	changed []Bucket
	starved []string
	nudges  []nudge
}

// nudge is a proxy that is to sync because of a bucket.
type nudge struct{ proxy, bucket string }

func (x *exchange) decide(reports map[string]*policy.Report, now time.Time) *decisions {
	return &decisions{x: x, now: now, ids: names(reports), reports: reports, others: map[string]presence{}}
}

// step steps all buckets. The caller holds their locks.
func (d *decisions) step(ctx context.Context) error {
	s := d.x.service
	stored, err := s.store.Buckets(ctx, d.ids)
	if err != nil {
		return s.unavailable("Buckets", err)
	}
	policyNow := s.current()
	for _, id := range d.ids {
		bucket := Bucket{ID: id}
		if len(stored) > 0 && stored[0].ID == id {
			bucket, stored = stored[0], stored[1:]
		}
		d.stepOne(ctx, policyNow, bucket)
	}
	return nil
}

func (d *decisions) stepOne(ctx context.Context, policyNow *state, stored Bucket) {
	id, ok := policy.ParseBucketID(stored.ID)
	if !ok {
		d.forget = append(d.forget, stored.ID)
		return
	}
	bucket := lease.New(id.Kind)
	if stored.Revision > 0 {
		var err error
		if bucket, err = lease.Decode(id.Kind, stored.State); err != nil {
			d.x.service.logger.ErrorContext(ctx, "the leases of a bucket cannot be read; nothing is granted of it", "bucket", stored.ID, "error", err)
			return
		}
	}
	out := bucket.Step(lease.Input{
		ID: stored.ID, Now: d.now.UnixMilli(), Contract: policyNow.contract(id, d.now), Proxy: d.x.id, Report: d.reports[stored.ID],
		Since: max(d.x.proxy.LastSync.UnixMilli(), 0),
		Gone:  func(proxy string) (int64, bool) { return d.gone(ctx, proxy) },
	})
	d.take(stored.ID, &out)
	if after := bucket.Append(nil); !bytes.Equal(after, stored.State) && (stored.Revision > 0 || !bucket.Empty()) {
		d.changed = append(d.changed, Bucket{ID: stored.ID, State: after, Revision: stored.Revision})
	}
}

func (d *decisions) take(bucket string, out *lease.Outcome) {
	if out.Grant != nil {
		d.grants = append(d.grants, *out.Grant)
	}
	if out.Forget {
		d.forget = append(d.forget, bucket)
	}
	if out.Starved {
		d.starved = append(d.starved, bucket)
	}
	if out.Again {
		d.nudges = append(d.nudges, nudge{d.x.id, bucket})
	}
	for _, proxy := range out.Nudge {
		d.nudges = append(d.nudges, nudge{proxy, bucket})
	}
}

// gone asks once for each proxy.
func (d *decisions) gone(ctx context.Context, proxy string) (since int64, gone bool) {
	p, known := d.others[proxy]
	if !known {
		at, gone := d.x.service.gone(ctx, proxy, d.now)
		p = presence{at.UnixMilli(), gone}
		d.others[proxy] = p
	}
	return p.since, p.gone
}

// presence is since when a proxy is gone, if it is.
type presence struct {
	since int64
	gone  bool
}

// bucketLocks keep batches of different proxies from deciding on one bucket at
// the same time, so that the store has no conflicts to tell of.
type bucketLocks [256]chan struct{}

func newBucketLocks() *bucketLocks {
	var l bucketLocks
	for i := range l {
		l[i] = make(chan struct{}, 1)
	}
	return &l
}

// lock locks all buckets, in an order that is the same for everybody.
func (l *bucketLocks) lock(ids []string) (unlock func()) {
	stripes := make([]int, len(ids))
	for i, id := range ids {
		stripes[i] = int(policy.BucketKey(id) % uint64(len(l)))
	}
	slices.Sort(stripes)
	stripes = slices.Compact(stripes)
	for _, i := range stripes {
		l[i] <- struct{}{}
	}
	return func() {
		for _, i := range stripes {
			<-l[i]
		}
	}
}
