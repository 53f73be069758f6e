package manager

import (
	"context"
	"time"
)

// observedStore is a store whose calls are measured, and whose commits are
// spans. What it does not name goes to the store unmeasured.
type observedStore struct {
	Store
	metrics *Metrics
	tracing tracing
}

// measured begins a call that is measured.
func (s *observedStore) measured(call string) (end func()) {
	started := time.Now()
	return func() { s.metrics.storeCalled(call, time.Since(started)) }
}

// LoadPolicy implements PolicyStore.
func (s *observedStore) LoadPolicy(ctx context.Context) (*Policy, error) {
	defer s.measured("LoadPolicy")()
	ctx, end := s.tracing.begin(ctx, "store.LoadPolicy")
	p, err := s.Store.LoadPolicy(ctx)
	end(err)
	return p, err
}

// PolicyRevision implements PolicyStore.
func (s *observedStore) PolicyRevision(ctx context.Context) (int64, error) {
	defer s.measured("PolicyRevision")()
	return s.Store.PolicyRevision(ctx)
}

// CommitPolicy implements PolicyStore.
func (s *observedStore) CommitPolicy(ctx context.Context, commit PolicyCommit) (int64, error) {
	defer s.measured("CommitPolicy")()
	ctx, end := s.tracing.begin(ctx, "store.CommitPolicy")
	s.tracing.note(ctx, "changes", int64(len(commit.Changes)))
	revision, err := s.Store.CommitPolicy(ctx, commit)
	end(err)
	return revision, err
}

// CommitSync implements LeaseStore.
func (s *observedStore) CommitSync(ctx context.Context, commit SyncCommit) error {
	defer s.measured("CommitSync")()
	ctx, end := s.tracing.begin(ctx, "store.CommitSync")
	s.tracing.note(ctx, "usage_rows", int64(len(commit.Usage)))
	err := s.Store.CommitSync(ctx, commit)
	end(err)
	return err
}

// Proxy implements LeaseStore.
func (s *observedStore) Proxy(ctx context.Context, id string) (*Proxy, error) {
	defer s.measured("Proxy")()
	return s.Store.Proxy(ctx, id)
}

// Buckets implements LeaseStore.
func (s *observedStore) Buckets(ctx context.Context, ids []string) ([]Bucket, error) {
	defer s.measured("Buckets")()
	return s.Store.Buckets(ctx, ids)
}

// UsageSums implements UsageStore.
func (s *observedStore) UsageSums(ctx context.Context, q UsageQuery) ([]UsageSum, error) {
	defer s.measured("UsageSums")()
	return s.Store.UsageSums(ctx, q)
}

// Requests implements UsageStore.
func (s *observedStore) Requests(ctx context.Context, q RequestQuery) (*RequestPage, error) {
	defer s.measured("Requests")()
	return s.Store.Requests(ctx, q)
}

// DeleteUsageBefore implements UsageStore.
func (s *observedStore) DeleteUsageBefore(ctx context.Context, usage, requests time.Time) error {
	defer s.measured("DeleteUsageBefore")()
	return s.Store.DeleteUsageBefore(ctx, usage, requests)
}

// Audit implements AuditStore.
func (s *observedStore) Audit(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	defer s.measured("Audit")()
	return s.Store.Audit(ctx, q)
}

// DeleteAuditBefore implements AuditStore.
func (s *observedStore) DeleteAuditBefore(ctx context.Context, t time.Time) error {
	defer s.measured("DeleteAuditBefore")()
	return s.Store.DeleteAuditBefore(ctx, t)
}

// Account implements PeopleStore.
func (s *observedStore) Account(ctx context.Context, email string) (*Account, error) {
	defer s.measured("Account")()
	return s.Store.Account(ctx, email)
}

// Session implements SessionStore.
func (s *observedStore) Session(ctx context.Context, digest [32]byte, now time.Time) (*Session, error) {
	defer s.measured("Session")()
	return s.Store.Session(ctx, digest, now)
}

// PutSession implements SessionStore.
func (s *observedStore) PutSession(ctx context.Context, session *Session) error {
	defer s.measured("PutSession")()
	return s.Store.PutSession(ctx, session)
}

// KeepSession implements SessionStore.
func (s *observedStore) KeepSession(ctx context.Context, session *Session) error {
	defer s.measured("KeepSession")()
	return s.Store.KeepSession(ctx, session)
}

// TakeMarks implements MarkStore.
func (s *observedStore) TakeMarks(ctx context.Context, now time.Time, marks []Mark) (time.Time, error) {
	defer s.measured("TakeMarks")()
	return s.Store.TakeMarks(ctx, now, marks)
}
