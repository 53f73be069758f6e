package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// batch is how many things go into one commit.
const batch = 2000

// ErrNotEmpty says that a store holds something that restoring would delete.
var ErrNotEmpty = errors.New("the store is not empty; choose an empty one, or delete what is in it with --force")

// Restore reads a backup into a store that is empty, or is emptied by force. It
// checks the whole file before it changes anything. No manager may run on the
// store. Where it fails in between, nothing is admitted by what is there: the
// policy comes last.
func Restore(ctx context.Context, store manager.Store, from io.ReadSeeker, force bool) (Summary, error) {
	summary, err := check(from)
	if err != nil {
		return summary, err
	}
	if !force {
		if empty, err := isEmpty(ctx, store); err != nil || !empty {
			return summary, errors.Join(err, ErrNotEmpty)
		}
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return summary, err
	}
	// The version stays, so that no two policies of different content are known under one.
	commits := (summary.Lines[lineResource] + batch - 1) / batch
	revision := max(summary.Head.PolicyVersion-commits, 0)
	if err := store.Reset(ctx, revision); err != nil {
		return summary, err
	}
	r := &restore{ctx: ctx, store: store}
	if err := eachLine(from, func(_ int64, l line, _ []byte) error { return r.take(l) }); err != nil {
		return summary, err
	}
	return summary, errors.Join(r.flush(), r.policy(revision, &summary.Head))
}

// isEmpty lets pass what every manager makes at its first start.
func isEmpty(ctx context.Context, store manager.Store) (bool, error) {
	policy, err := store.LoadPolicy(ctx)
	if err != nil {
		return false, err
	}
	accounts, err := store.Accounts(ctx)
	for _, r := range policy.Resources {
		if r.Ref().Kind != manager.KindEnvironment {
			return false, err
		}
	}
	return len(accounts) == 0, err
}

// eachLine calls use with each line and its bytes.
func eachLine(from io.Reader, use func(number int64, l line, text []byte) error) error {
	in := bufio.NewReaderSize(from, 1<<20)
	for number := int64(1); ; number++ {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return nil
		}
		if err != nil {
			return damaged(number, err)
		}
		var l line
		if err := strictly(text, &l); err != nil {
			return damaged(number, err)
		}
		if err := use(number, l, text); err != nil {
			return err
		}
	}
}

// strictly refuses what this version would lose.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// check reads the whole file, and compares it with its last line.
func check(from io.Reader) (Summary, error) {
	summary := Summary{Lines: map[string]int64{}}
	digest := sha256.New()
	var last *end
	lines := int64(0)
	err := eachLine(from, func(number int64, l line, text []byte) error {
		switch {
		case number == 1:
			if l.Line != lineHead || json.Unmarshal(l.Value, &summary.Head) != nil {
				return errNotBackup
			}
			if summary.Head.Format > format {
				return fmt.Errorf("the backup was made by a newer version of Partnergate (its format is %d, this version knows up to %d); restore it with that version", summary.Head.Format, format)
			}
		case last != nil:
			return damaged(number, errors.New("there is something after the end"))
		case l.Line == lineEnd:
			last = new(end)
			if err := strictly(l.Value, last); err != nil {
				return damaged(number, err)
			}
			return nil
		default:
			if err := new(restore).decode(l); err != nil {
				return damaged(number, err)
			}
		}
		lines++
		summary.Lines[l.Line]++
		_, _ = digest.Write(text) // never fails
		return nil
	})
	switch {
	case err != nil:
		if summary.Head.Format == 0 {
			err = errNotBackup
		}
		return summary, err
	case lines == 0:
		return summary, errNotBackup
	case last == nil:
		return summary, damaged(lines+1, io.ErrUnexpectedEOF)
	case last.Lines != lines || !bytes.Equal(last.SHA256, digest.Sum(nil)):
		return summary, damaged(lines+1, errors.New("the checksum does not fit"))
	}
	return summary, nil
}

// restore gathers what goes into one commit.
type restore struct {
	ctx       context.Context
	store     manager.Store
	resources []manager.Change
	audit     []manager.AuditEntry
	sync      manager.SyncCommit
	size      int // things in audit and sync
	put       []func() error
}

func (r *restore) take(l line) error {
	if l.Line == lineHead || l.Line == lineEnd {
		return nil
	}
	if err := r.decode(l); err != nil {
		return err
	}
	if r.size++; r.size < batch {
		return nil
	}
	return r.flush()
}

// flush stores what was gathered.
func (r *restore) flush() error {
	for _, put := range r.put {
		if err := put(); err != nil {
			return err
		}
	}
	if len(r.audit) > 0 {
		if err := r.store.AddAudit(r.ctx, r.audit); err != nil {
			return err
		}
	}
	if err := r.store.CommitSync(r.ctx, r.sync); err != nil {
		return err
	}
	r.put, r.audit, r.sync, r.size = nil, nil, manager.SyncCommit{}, 0
	return nil
}

// policy comes last.
func (r *restore) policy(revision int64, head *Head) error {
	for len(r.resources) > 0 {
		n := min(len(r.resources), batch)
		if _, err := r.store.CommitPolicy(r.ctx, manager.PolicyCommit{Revision: revision, At: head.ChangedAt, Emptied: head.Emptied, Changes: r.resources[:n]}); err != nil {
			return err
		}
		r.resources = r.resources[n:]
		revision++
	}
	return nil
}

// decode adds the value of a line to what is gathered.
func (r *restore) decode(l line) error {
	switch l.Line {
	case lineResource:
		return r.resource(l.Value)
	case lineAccount:
		return later(l.Value, r, func(v *manager.Account) error { return r.store.PutAccount(r.ctx, v) })
	case lineMembership:
		return later(l.Value, r, func(v *manager.Membership) error { return r.store.PutMembership(r.ctx, *v) })
	case lineInvitation:
		return later(l.Value, r, func(v *manager.Invitation) error { return r.store.PutInvitation(r.ctx, *v) })
	case lineToken:
		return later(l.Value, r, r.token)
	case lineProxy:
		return later(l.Value, r, func(v *manager.Proxy) error { return r.store.CommitSync(r.ctx, manager.SyncCommit{Proxy: v}) })
	case lineAudit:
		return now(l.Value, func(v *auditValue) {
			v.AuditEntry.RequestID = string(v.RequestID)
			r.audit = append(r.audit, v.AuditEntry)
		})
	case lineUsage:
		return now(l.Value, func(v *manager.UsageRow) { r.sync.Usage = append(r.sync.Usage, *v) })
	case lineRequest:
		return now(l.Value, func(v *requestValue) { r.sync.Requests = append(r.sync.Requests, v.record()) })
	case lineBucket:
		return now(l.Value, func(v *manager.Bucket) { r.sync.Buckets = append(r.sync.Buckets, *v) })
	case lineUses:
		return now(l.Value, func(v *usesValue) {
			if r.sync.CredentialUses == nil {
				r.sync.CredentialUses = map[string]map[string]time.Time{}
			}
			r.sync.CredentialUses[v.Partner] = v.Uses
		})
	}
	return fmt.Errorf("a line of the kind %q is not known to this version", l.Line)
}

// later stores the value with the next flush.
func later[T any](raw json.RawMessage, r *restore, store func(*T) error) error {
	v := new(T)
	r.put = append(r.put, func() error { return store(v) })
	return strictly(raw, v)
}

// now takes the value over.
func now[T any](raw json.RawMessage, take func(*T)) error {
	v := new(T)
	err := strictly(raw, v)
	take(v)
	return err
}

func (r *restore) token(t *manager.AdminToken) error {
	if err := r.store.PutAdminToken(r.ctx, t); err != nil || t.LastUsedAt == nil {
		return err
	}
	return r.store.NoteTokenUse(r.ctx, t.Name, *t.LastUsedAt)
}

func (r *restore) resource(raw json.RawMessage) error {
	var v resourceValue
	if err := strictly(raw, &v); err != nil {
		return err
	}
	resource, err := manager.UnmarshalStored(v.Kind, v.Document)
	if err == nil {
		r.resources = append(r.resources, manager.Change{Ref: resource.Ref(), After: resource})
	}
	return err
}
