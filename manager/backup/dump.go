package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/partnergate/partnergate/manager"
)

const page = 1000 // of what is read in pages

// Dump writes everything that is in the store. The policy is that of one
// moment; what managers store meanwhile beside it may or may not be in it.
func Dump(ctx context.Context, store manager.Store, to io.Writer, now time.Time) (Summary, error) {
	buffered := bufio.NewWriterSize(to, 1<<20)
	d := &dump{ctx: ctx, store: store, to: buffered, digest: sha256.New(), summary: Summary{Lines: map[string]int64{}}}
	d.all(now)
	if d.err == nil {
		d.err = buffered.Flush()
	}
	return d.summary, d.err
}

// dump stops at its first error.
type dump struct {
	ctx     context.Context
	store   manager.Store
	to      io.Writer
	digest  hash.Hash
	lines   int64
	summary Summary
	err     error
}

func (d *dump) write(kind string, value any) {
	if d.err != nil {
		return
	}
	var raw, text []byte
	if raw, d.err = json.Marshal(value); d.err == nil {
		text, d.err = json.Marshal(line{kind, raw})
	}
	if d.err != nil {
		return
	}
	text = append(text, '\n')
	_, _ = d.digest.Write(text) // never fails
	d.lines++
	d.summary.Lines[kind]++
	_, d.err = d.to.Write(text)
}

// get is the value of a call to the store, and notes its error.
func get[T any](d *dump, call func() (T, error)) (v T) {
	if d.err == nil {
		v, d.err = call()
	}
	return v
}

func (d *dump) all(now time.Time) {
	policy := get(d, func() (*manager.Policy, error) { return d.store.LoadPolicy(d.ctx) })
	if d.err != nil {
		return
	}
	d.summary.Head = Head{Format: format, MadeAt: now.UTC().Truncate(time.Second), Lineage: policy.Lineage[:], PolicyVersion: policy.Revision, ChangedAt: policy.ChangedAt, Emptied: policy.Emptied}
	d.write(lineHead, d.summary.Head)
	for _, r := range policy.Resources {
		document, err := json.Marshal(r)
		d.note(err)
		d.write(lineResource, resourceValue{r.Ref().Kind, document})
	}
	d.people(policy)
	d.tokens()
	d.audit()
	d.usage()
	d.requests()
	d.leases()
	d.write(lineEnd, end{d.lines, d.digest.Sum(nil)})
}

func (d *dump) note(err error) {
	if d.err == nil {
		d.err = err
	}
}

// people writes everybody, and of each partner who is invited and when its keys were used.
func (d *dump) people(policy *manager.Policy) {
	for _, a := range get(d, func() ([]manager.Account, error) { return d.store.Accounts(d.ctx) }) {
		a.Revision = 0
		d.write(lineAccount, a)
		for _, m := range get(d, func() ([]manager.Membership, error) { return d.store.Memberships(d.ctx, "", a.Email) }) {
			d.write(lineMembership, m)
		}
	}
	for _, r := range policy.Resources {
		if r.Ref().Kind != manager.KindPartner {
			continue
		}
		partner := r.Ref().Name
		for _, i := range get(d, func() ([]manager.Invitation, error) { return d.store.Invitations(d.ctx, partner) }) {
			d.write(lineInvitation, i)
		}
		uses := get(d, func() (map[string]time.Time, error) { return d.store.CredentialUses(d.ctx, partner) })
		if len(uses) > 0 {
			d.write(lineUses, usesValue{partner, uses})
		}
	}
}

func (d *dump) tokens() {
	for _, t := range get(d, func() ([]manager.AdminToken, error) { return d.store.AdminTokens(d.ctx) }) {
		t.Revision = 0
		d.write(lineToken, t)
	}
}

func (d *dump) audit() {
	sameTime := func(a, b manager.AuditEntry) bool { return a.Time.Equal(b.Time) }
	q := manager.AuditQuery{Limit: page}
	pages(d, sameTime, func() ([]manager.AuditEntry, bool) {
		found := get(d, func() (*manager.AuditPage, error) { return d.store.Audit(d.ctx, q) })
		if d.err != nil {
			return nil, false
		}
		q.Cursor = found.Next
		return found.Items, found.Next != ""
	}, func(e manager.AuditEntry) { d.write(lineAudit, auditValue{e, []byte(e.RequestID)}) })
}

func (d *dump) requests() {
	sameTime := func(a, b manager.RequestRecord) bool { return a.Time.Equal(b.Time) }
	q := manager.RequestQuery{Limit: page}
	pages(d, sameTime, func() ([]manager.RequestRecord, bool) {
		found := get(d, func() (*manager.RequestPage, error) { return d.store.Requests(d.ctx, q) })
		if d.err != nil {
			return nil, false
		}
		q.Cursor = found.Next
		return found.Items, found.Next != ""
	}, func(r manager.RequestRecord) {
		d.write(lineRequest, requestValue{r, []byte(r.RequestID), []byte(r.Method), []byte(r.Path)})
	})
}

// pages hands on what comes newest first, but for the order of those of one
// moment: they are handed on as they were stored, since that is what their
// order will be made of.
func pages[T any](d *dump, sameTime func(a, b T) bool, next func() (items []T, more bool), write func(T)) {
	var moment []T
	flush := func() {
		slices.Reverse(moment)
		for _, v := range moment {
			write(v)
		}
		moment = moment[:0]
	}
	for more := true; more && d.err == nil; {
		var items []T
		items, more = next()
		for _, v := range items {
			if len(moment) > 0 && !sameTime(moment[0], v) {
				flush()
			}
			moment = append(moment, v)
		}
	}
	flush()
}

var usageKeys = []manager.UsageDimension{manager.ByMinute, manager.ByPartner, manager.ByApplication, manager.ByProduct,
	manager.ByEnvironment, manager.ByOperation, manager.ByOutcome}

// usage goes day by day, to hold no more than one in memory.
func (d *dump) usage() {
	days := get(d, func() ([]manager.UsageSum, error) {
		return d.store.UsageSums(d.ctx, manager.UsageQuery{GroupBy: []manager.UsageDimension{manager.ByDay}})
	})
	for _, day := range days {
		from, err := time.Parse(time.RFC3339, day.Group[manager.ByDay])
		d.note(err)
		q := manager.UsageQuery{From: from, To: from.Add(24 * time.Hour), GroupBy: usageKeys}
		for _, sum := range get(d, func() ([]manager.UsageSum, error) { return d.store.UsageSums(d.ctx, q) }) {
			g := sum.Group
			minute, err := time.Parse(time.RFC3339, g[manager.ByMinute])
			d.note(err)
			d.write(lineUsage, manager.UsageRow{Minute: minute, Requests: sum.Requests, Key: manager.UsageKey{
				Partner: g[manager.ByPartner], Application: g[manager.ByApplication], Product: g[manager.ByProduct],
				Environment: g[manager.ByEnvironment], Operation: g[manager.ByOperation], Outcome: g[manager.ByOutcome]}})
		}
	}
}

// leases are in it so that a quota that is partly used is not whole again, and
// a batch that was stored is not counted again.
func (d *dump) leases() {
	for _, p := range get(d, func() ([]manager.Proxy, error) { return d.store.Proxies(d.ctx, time.Time{}) }) {
		p.Revision = 0
		d.write(lineProxy, p)
	}
	for _, b := range get(d, func() ([]manager.Bucket, error) { return d.store.AllBuckets(d.ctx) }) {
		b.Revision = 0
		d.write(lineBucket, b)
	}
}
