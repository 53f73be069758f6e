package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/partnergate/partnergate/manager"
)

// auditEntry is one entry of the audit log. Its id grows with time.
type auditEntry struct {
	ID            bson.ObjectID     `bson:"_id"`
	Time          int64             `bson:"time"`
	Actor         string            `bson:"actor"`
	ActorKind     manager.ActorKind `bson:"actor_kind"`
	OnBehalfOf    manager.Owner     `bson:"on_behalf_of"`
	Address       string            `bson:"address"`
	RequestID     []byte            `bson:"request_id"` // need not be UTF-8
	Action        string            `bson:"action"`
	Kind          manager.Kind      `bson:"kind"`
	Partner       string            `bson:"partner"`
	Name          string            `bson:"name"`
	Product       string            `bson:"product"`
	Before        []byte            `bson:"before,omitempty"`
	After         []byte            `bson:"after,omitempty"`
	PolicyVersion int64             `bson:"policy_version"`
}

func (e *auditEntry) at() position { return position{e.Time, e.ID} }

func (e *auditEntry) read() manager.AuditEntry {
	return manager.AuditEntry{Time: fromMicros(e.Time), Actor: e.Actor, ActorKind: e.ActorKind, OnBehalfOf: e.OnBehalfOf,
		Address: e.Address, RequestID: string(e.RequestID), Action: e.Action, Kind: e.Kind, Partner: e.Partner, Name: e.Name,
		Product: e.Product, Before: e.Before, After: e.After, PolicyVersion: e.PolicyVersion}
}

// AddAudit implements manager.AuditStore.
func (s *Store) AddAudit(ctx context.Context, entries []manager.AuditEntry) error {
	return s.atomically(ctx, "append to the audit log", func(ctx context.Context) error { return s.addAudit(ctx, entries) })
}

func (s *Store) addAudit(ctx context.Context, entries []manager.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	documents := make([]auditEntry, len(entries))
	for i := range entries {
		documents[i] = storedAudit(&entries[i])
	}
	_, err := s.in(auditCollection).InsertMany(ctx, documents)
	return err
}

func storedAudit(e *manager.AuditEntry) auditEntry {
	return auditEntry{ID: bson.NewObjectID(), Time: micros(e.Time), Actor: e.Actor, ActorKind: e.ActorKind,
		OnBehalfOf: e.OnBehalfOf, Address: e.Address, RequestID: []byte(e.RequestID), Action: e.Action, Kind: e.Kind,
		Partner: e.Partner, Name: e.Name, Product: e.Product, Before: e.Before, After: e.After, PolicyVersion: e.PolicyVersion}
}

// audited appends entries after what they tell of, in the same transaction,
// unless that failed: then the transaction has ended.
func (s *Store) audited(ctx context.Context, entries []manager.AuditEntry, err error) error {
	if err != nil {
		return err
	}
	return s.addAudit(ctx, entries)
}

// Audit implements manager.AuditStore.
func (s *Store) Audit(ctx context.Context, q manager.AuditQuery) (*manager.AuditPage, error) {
	filter, err := auditFilter(q)
	if err != nil {
		return nil, err
	}
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	page := &manager.AuditPage{}
	page.Items, page.Next, err = newest[auditEntry, manager.AuditEntry](ctx, s, "list the audit log", auditCollection, filter, q.Limit)
	return page, err
}

func auditFilter(q manager.AuditQuery) (bson.D, error) {
	var f filter
	f.given("actor", q.Actor)
	f.given("kind", string(q.Kind))
	f.given("name", q.Name)
	if q.Partner != "" {
		f.add("$or", bson.A{
			bson.D{{Key: "partner", Value: q.Partner}},
			bson.D{{Key: "partner", Value: ""}, {Key: "kind", Value: manager.KindPartner}, {Key: "name", Value: q.Partner}},
		})
	}
	if q.Products != nil {
		f.add("product", bson.D{{Key: "$in", Value: q.Products}})
	}
	f.between("time", q.From, q.To)
	err := f.beyond(q.Cursor)
	return f.conditions(), err
}

// DeleteAuditBefore implements manager.AuditStore.
func (s *Store) DeleteAuditBefore(ctx context.Context, t time.Time) error {
	return s.deleteInSteps(ctx, "delete old entries of the audit log", auditCollection, "time", micros(t))
}
