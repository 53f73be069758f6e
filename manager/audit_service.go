package manager

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// Kinds that stand in the audit log beside those of the policy.
const (
	KindMember     Kind = "Member"
	KindInvitation Kind = "Invitation"
	KindToken      Kind = "Token"
	KindLogin      Kind = "Login" // of a member by email, or from an address
)

// Actions of the audit log beside created, updated and deleted.
const (
	actionSuspended   = "suspended"
	actionResumed     = "resumed"
	actionRevoked     = "revoked"
	actionRotated     = "rotated"
	actionInvited     = "invited"
	actionAccepted    = "accepted"
	actionPasswordSet = "password_set"
	actionUnlocked    = "unlocked"
)

// maxAudit is the most entries of a page.
const maxAudit = 500

// Audit lists who changed what, newest first. Limit is 100 where it is 0, and 500 at most.
func (s *Service) Audit(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return nil, invalid("from", "must be before to")
	}
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	q.Limit = min(q.Limit, maxAudit)
	page, err := s.store.Audit(ctx, q)
	if err != nil {
		return nil, s.unavailable("Audit", err)
	}
	return page, nil
}

// entry is an audit entry of a change that actor makes now.
func (s *Service) entry(ctx context.Context, actor Actor, action string, ref Ref) AuditEntry {
	origin := OriginOf(ctx)
	kind := ActorToken
	switch {
	case actor.system:
		kind = ActorSystem
	case actor.Owner == OwnerPortal:
		kind = ActorMember
	}
	return AuditEntry{
		Time: *s.timestamp(), Actor: actor.Name, ActorKind: kind, OnBehalfOf: actor.Owner,
		Address: origin.Address, RequestID: origin.RequestID,
		Action: action, Kind: ref.Kind, Partner: ref.owner(), Name: ref.Name,
	}
}

// entries tell of the changes that lead from one policy to the next.
func (s *Service) entries(ctx context.Context, actor Actor, before *state, changes []Change, version int64) []AuditEntry {
	list := make([]AuditEntry, 0, len(changes))
	for _, c := range changes {
		stored := before.get(c.Ref)
		e := s.entry(ctx, actor, actionOf(stored, c.After), c.Ref)
		e.PolicyVersion = version
		if stored != nil {
			e.Before, e.Product = auditDocument(stored), productOf(stored)
		}
		if c.After != nil {
			e.After, e.Product = auditDocument(c.After), productOf(c.After)
		}
		list = append(list, e)
	}
	return list
}

// actionOf is the plainest word for what a change does.
func actionOf(before, after Resource) string {
	switch {
	case before == nil:
		return string(ActionCreated)
	case after == nil:
		return string(ActionDeleted)
	}
	switch was, is := stateOf(before), stateOf(after); {
	case was == StateActive && is == StateSuspended:
		return actionSuspended
	case was == StateSuspended && is == StateActive:
		return actionResumed
	}
	if b, ok := before.(*Credential); ok {
		a, _ := after.(*Credential) // a change keeps its kind
		switch {
		case b.RevokedAt == nil && a.RevokedAt != nil:
			return actionRevoked
		case b.RotatedTo == "" && a.RotatedTo != "":
			return actionRotated
		}
	}
	return string(ActionUpdated)
}

func stateOf(r Resource) State {
	switch r := r.(type) {
	case *Partner:
		return r.Spec.State
	case *Subscription:
		return r.Spec.State
	}
	return ""
}

// auditDocument is a resource as the audit log keeps it: a key without its
// digest, and of an OpenAPI document only what tells one from another.
func auditDocument(r Resource) []byte {
	if p, ok := r.(*Product); ok {
		short := *p
		short.Spec.OpenAPI = fmt.Sprintf("%d bytes with the SHA-256 %x", len(p.Spec.OpenAPI), sha256.Sum256([]byte(p.Spec.OpenAPI)))
		r = &short
	}
	document, err := MarshalResource(r)
	if err != nil {
		panic(err) // what was read from JSON or YAML always marshals
	}
	return document
}

// auditJSON is a small value for the log.
func auditJSON(v any) []byte {
	document, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts always marshal
	}
	return document
}

// memberEntry tells of a member; role is empty for one who is none.
func (s *Service) memberEntry(ctx context.Context, actor Actor, action, partner, email string, before, after Role) AuditEntry {
	e := s.entry(ctx, actor, action, Ref{KindMember, partner, email})
	if before != "" {
		e.Before = auditJSON(map[string]Role{"role": before})
	}
	if after != "" {
		e.After = auditJSON(map[string]Role{"role": after})
	}
	return e
}
