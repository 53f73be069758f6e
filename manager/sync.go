package manager

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// maxHold is how long a batch whose proxy wants what others have to give back
// first waits for them: less than its requests wait.
const maxHold = 150 * time.Millisecond

// Sync stores one batch of a proxy and answers with grants. A batch that was
// stored before is not counted again and gets the same answer; another of the
// same number, or of a lower one, is another process's, and refused. Body and reply
// are a Sync and a SyncReply of package wire.
func (s *Service) Sync(ctx context.Context, body []byte) (reply []byte, err error) {
	defer s.metrics.syncBegun(len(body))()
	m, err := wire.ParseSync(string(body))
	if err != nil {
		s.metrics.synced(syncRefused)
		return nil, unreadable("sync", err)
	}
	id, err := proxyID(m.Proxy.Node, m.Proxy.Nonce)
	if err != nil {
		s.metrics.synced(syncRefused)
		return nil, err
	}
	telemetry.Note(ctx, "proxy", id)
	contact := s.contacts.hear(id, s.now())
	select {
	case contact.busy <- struct{}{}:
		defer func() { <-contact.busy }()
	case <-ctx.Done():
		return nil, &Error{Code: CodeUnavailable, Message: "an earlier batch of that proxy is still being stored; send this one again"}
	}
	x := &exchange{service: s, id: id, contact: contact, batch: &m, digest: sha256.Sum256(body[1:])} // the version is how it is said
	ctx, end := s.tracing.begin(ctx, "sync")
	reply, err = x.run(ctx)
	end(err)
	s.metrics.synced(x.result(err))
	return wire.InVersionOf(body, reply), err
}

// exchange is one batch on its way into the store, and its answer.
type exchange struct {
	service *Service
	id      string
	contact *contact
	batch   *wire.Sync
	digest  [sha256.Size]byte // of the batch
	asked   map[string]bool   // buckets that the proxy is asked about

	proxy    *Proxy // as stored
	answer   wire.SyncReply
	starved  []string // buckets that it wants and gets nothing of yet
	awaited  bool     // somebody who can give something back is there
	repeated bool
	stale    bool
}

func (x *exchange) result(err error) string {
	switch {
	case x.stale:
		return syncRefused
	case err != nil:
		return syncFailed
	case x.repeated:
		return syncRepeated
	}
	return syncStored
}

func (x *exchange) run(ctx context.Context) ([]byte, error) {
	x.asked = x.service.contacts.takeBuckets(x.contact)
	for range maxTries {
		err := x.store(ctx)
		switch {
		case errors.Is(err, ErrRevision):
			x.service.metrics.leaseConflict()
			continue
		case err != nil:
			x.askAgain()
			return nil, err
		case x.repeated:
			return x.proxy.Reply, nil
		}
		x.service.contacts.announce()
		if len(x.starved) > 0 && x.awaited {
			x.hold(ctx)
		}
		return x.proxy.Reply, nil
	}
	x.askAgain()
	return nil, &Error{Code: CodeUnavailable, Message: "other managers keep changing the same leases; send the batch again"}
}

// askAgain remembers for the next batch what this one was to be asked about.
func (x *exchange) askAgain() {
	contacts := x.service.contacts
	contacts.mu.Lock()
	defer contacts.mu.Unlock()
	for id := range x.asked {
		x.contact.buckets[id] = true
	}
}

// store decides on the batch, and stores it with its answer in one commit.
func (x *exchange) store(ctx context.Context) error {
	s, now := x.service, x.service.now()
	x.repeated = false
	if err := x.load(ctx, now); err != nil || x.repeated {
		return err
	}
	commit := SyncCommit{Usage: usageRows(x.batch.Usage, now), Requests: requestRecords(x.batch.Requests, x.id, now)}
	commit.CredentialUses = credentialUses(commit.Requests)
	x.answer = wire.SyncReply{Sequence: x.batch.Sequence}
	d := x.decide(x.reports(), now)
	unlock := s.buckets.lock(d.ids)
	defer unlock()
	if err := d.step(ctx); err != nil {
		return err
	}
	if err := x.commit(ctx, commit, d); err != nil {
		return err
	}
	s.metrics.stored(commit.Usage, x.batch.Dropped)
	return nil
}

// load reads what is stored of the proxy, and compares sequences. A gap is let
// pass: the manager's store was restored, and what was in between is lost.
func (x *exchange) load(ctx context.Context, now time.Time) error {
	s := x.service
	p, err := s.store.Proxy(ctx, x.id)
	switch {
	case errors.Is(err, ErrMissing):
		p = &Proxy{ID: x.id, Node: clean(x.batch.Proxy.Node, maxNode), FirstSeen: now}
	case err != nil:
		return s.unavailable("Proxy", err)
	case p.Sequence == x.batch.Sequence && (len(p.Batch) == 0 || bytes.Equal(p.Batch, x.digest[:])):
		x.repeated, x.proxy = true, p
		return x.withdraw(ctx, now)
	case p.Sequence >= x.batch.Sequence:
		x.stale = true
		return &Error{Code: CodeConflict, Reason: wire.StaleSequence, Message: "batch " + strconv.FormatUint(x.batch.Sequence, 10) +
			" of the proxy " + x.id + " is neither the one stored last, which is number " + strconv.FormatUint(p.Sequence, 10) + ", nor a later one; two processes must not share one nonce"}
	case p.Sequence+1 < x.batch.Sequence:
		s.logger.WarnContext(ctx, "batches of a proxy are missing; was the store restored?", "proxy", x.id, "stored_sequence", p.Sequence, "sequence", x.batch.Sequence)
	}
	x.proxy = p
	return nil
}

// withdraw takes the grants out of the answer to a repeated batch whose proxy
// was gone since: they have been given on. Where managers share a store, another
// may have taken it for gone though it was heard of here.
func (x *exchange) withdraw(ctx context.Context, now time.Time) error {
	s := x.service
	if (s.notifier != nil || s.contacts.hasLapsed(x.contact)) && now.Sub(x.proxy.LastSync) >= silence {
		next := *x.proxy
		answer := wire.SyncReply{Sequence: next.Sequence}
		next.Reply, next.LastSync = answer.Append(nil), now
		if err := s.store.CommitSync(ctx, SyncCommit{Proxy: &next}); errors.Is(err, ErrRevision) {
			return err
		} else if err != nil {
			return s.unavailable("CommitSync", err)
		}
		x.proxy = &next
	}
	s.contacts.caughtUp(x.contact)
	return nil
}

// reports are those of the batch, and nothing for buckets that the proxy is
// asked about beyond them. Of two reports on one bucket the first counts.
func (x *exchange) reports() map[string]*policy.Report {
	reports := make(map[string]*policy.Report, len(x.batch.Reports)+len(x.asked))
	for id := range x.asked {
		reports[id] = nil
	}
	for i := range x.batch.Reports {
		if r := &x.batch.Reports[i]; reports[r.ID] == nil {
			reports[r.ID] = r
		}
	}
	return reports
}

// commit stores the proxy with its answer, and tells who is concerned.
func (x *exchange) commit(ctx context.Context, commit SyncCommit, d *decisions) error {
	s, next := x.service, *x.proxy
	x.answer.Grants = append(x.answer.Grants, d.grants...)
	x.answer.Forget = append(x.answer.Forget, d.forget...)
	next.LastSync, next.Sequence, next.Batch = d.now, x.batch.Sequence, x.digest[:]
	next.PolicyVersion = signed(x.batch.PolicyVersion)
	next.PolicyAt = d.now.Add(-time.Duration(min(x.batch.PolicyAge, uint64(maxPolicyAge/time.Millisecond))) * time.Millisecond)
	next.Reply = x.answer.Append(nil)
	commit.Proxy, commit.Buckets = &next, d.changed
	err := s.store.CommitSync(ctx, commit)
	if errors.Is(err, ErrRevision) {
		return err
	}
	if err != nil {
		return s.unavailable("CommitSync", err)
	}
	next.Revision++
	s.contacts.caughtUp(x.contact)
	x.proxy, x.starved, x.awaited = &next, d.starved, false
	s.contacts.decides(x.contact, next.PolicyVersion)
	s.metrics.granted(d.grants)
	s.metrics.decided(d.ids, d.grants)
	s.contacts.changed(d.changed)
	x.nudge(ctx, d.nudges)
	return nil
}

// nudge asks proxies to sync, and notes whether another than this one can.
func (x *exchange) nudge(ctx context.Context, nudges []nudge) {
	var elsewhere []Signal
	others := false
	for _, n := range nudges {
		if !x.service.contacts.nudge(n.proxy, n.bucket) {
			elsewhere = append(elsewhere, Signal{Proxy: n.proxy, Bucket: n.bucket})
			others = others || n.proxy != x.id
		} else if n.proxy != x.id {
			x.awaited = true
		}
	}
	if x.service.pass(ctx, elsewhere) && others {
		x.awaited = true
	}
}

// maxPolicyAge bounds what is believed of a policy's age.
const maxPolicyAge = 366 * 24 * time.Hour

// hold waits until others have given back what the proxy wants, and adds that
// to the answer, which nobody has seen yet.
func (x *exchange) hold(ctx context.Context) {
	s := x.service
	defer s.metrics.held()()
	timer := time.NewTimer(maxHold)
	defer timer.Stop()
	changed, done := s.contacts.wait(x.starved)
	defer done()
	for {
		// Where this fails, the answer without more is stored, and good.
		if err := x.storeAgain(ctx); err != nil || len(x.starved) == 0 {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-s.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// storeAgain decides anew on what the proxy lacks.
func (x *exchange) storeAgain(ctx context.Context) error {
	s := x.service
	reports := make(map[string]*policy.Report, len(x.starved))
	for _, id := range x.starved {
		reports[id] = nil
	}
	d := x.decide(reports, s.now())
	unlock := s.buckets.lock(d.ids)
	defer unlock()
	if err := d.step(ctx); err != nil {
		return err
	}
	if len(d.changed) == 0 {
		x.starved = d.starved
		return nil
	}
	before := x.answer
	err := x.commit(ctx, SyncCommit{}, d)
	if err != nil {
		x.answer = before
	}
	return err
}
