package mongo

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/partnergate/partnergate/manager"
)

// resourceID is the _id of a resource.
type resourceID struct {
	Kind    manager.Kind `bson:"kind"`
	Partner string       `bson:"partner"`
	Name    string       `bson:"name"`
}

// resource is every kind but credentials.
type resource struct {
	ID       resourceID `bson:"_id"`
	Document []byte     `bson:"document"` // JSON
	Deflated bool       `bson:"deflated,omitempty"`
}

// A document of MongoDB holds 16 MB. An OpenAPI document has 5 MB at most, but
// may take six times as much as JSON, and then compresses well.
const deflateAbove = 64 << 10

func storedResource(ref manager.Ref, r manager.Resource) (resource, error) {
	document, err := json.Marshal(r)
	stored := resource{ID: resourceID(ref), Document: document}
	if err != nil || len(document) <= deflateAbove {
		return stored, err
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestSpeed)
	if err != nil {
		return stored, err
	}
	if _, err := w.Write(document); err != nil {
		return stored, err
	}
	err = w.Close()
	stored.Document, stored.Deflated = small.Bytes(), true
	return stored, err
}

func (r *resource) read() (manager.Resource, error) {
	document := r.Document
	if r.Deflated {
		var err error
		if document, err = io.ReadAll(flate.NewReader(bytes.NewReader(r.Document))); err != nil {
			return nil, err
		}
	}
	return manager.UnmarshalStored(r.ID.Kind, document)
}

type credential struct {
	ID          string        `bson:"_id"`
	Partner     string        `bson:"partner"`
	Application string        `bson:"application"`
	Environment string        `bson:"environment"`
	Digest      []byte        `bson:"digest"`
	ManagedBy   manager.Owner `bson:"managed_by"`
	Revision    int64         `bson:"revision"`
	CreatedAt   int64         `bson:"created_at"`
	UpdatedAt   int64         `bson:"updated_at"`
	ExpiresAt   *int64        `bson:"expires_at,omitempty"`
	RevokedAt   *int64        `bson:"revoked_at,omitempty"`
	RotatedTo   string        `bson:"rotated_to,omitempty"`
	RotatedFrom string        `bson:"rotated_from,omitempty"`
}

func storedCredential(c *manager.Credential) credential {
	m := &c.Metadata
	return credential{
		ID: m.Name, Partner: m.Partner, Application: c.Application, Environment: c.Environment, Digest: c.Digest[:],
		ManagedBy: m.ManagedBy, Revision: m.Revision, CreatedAt: micros(m.CreatedAt), UpdatedAt: micros(m.UpdatedAt),
		ExpiresAt: optionalMicros(c.ExpiresAt), RevokedAt: optionalMicros(c.RevokedAt), RotatedTo: c.RotatedTo, RotatedFrom: c.RotatedFrom,
	}
}

func (c *credential) read() *manager.Credential {
	return &manager.Credential{
		Metadata: manager.Metadata{Name: c.ID, Partner: c.Partner, ManagedBy: c.ManagedBy, Revision: c.Revision,
			CreatedAt: fromMicros(c.CreatedAt), UpdatedAt: fromMicros(c.UpdatedAt)},
		Application: c.Application, Environment: c.Environment, Digest: digest(c.Digest),
		ExpiresAt: fromOptionalMicros(c.ExpiresAt), RevokedAt: fromOptionalMicros(c.RevokedAt), RotatedTo: c.RotatedTo, RotatedFrom: c.RotatedFrom,
	}
}

func digest(b []byte) (d [32]byte) {
	copy(d[:], b)
	return d
}

// LoadPolicy implements manager.PolicyStore. Resources are in the order of
// manager.Kinds, credentials last, each by partner and name.
func (s *Store) LoadPolicy(ctx context.Context) (policy *manager.Policy, err error) {
	err = s.atomicallyFor(ctx, loadPatience, "load the policy", func(ctx context.Context) (err error) {
		var head meta
		if err = s.one(ctx, metaCollection, byID(metaID), &head); err != nil {
			return err
		}
		policy = &manager.Policy{Revision: head.Revision, ChangedAt: head.changedAt(), Emptied: head.Emptied}
		copy(policy.Lineage[:], head.Lineage)
		if policy.Resources, err = s.readPolicy(ctx, bson.D{}, bson.D{}); err != nil || head.Pending == nil {
			return err
		}
		policy.Resources, err = s.withPending(ctx, policy.Resources, head.Pending)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(policy.Resources, inOrder)
	return policy, nil
}

// readPolicy reads the resources and the credentials that the filters find.
func (s *Store) readPolicy(ctx context.Context, resources, credentials bson.D) (found []manager.Resource, err error) {
	stored, err := all[resource](ctx, s, resourceCollection, resources)
	if err != nil {
		return nil, err
	}
	for i := range stored {
		r, err := stored[i].read()
		if err != nil {
			return nil, fmt.Errorf("read %v: %w", manager.Ref(stored[i].ID), err)
		}
		found = append(found, r)
	}
	keys, err := all[credential](ctx, s, credentialCollection, credentials)
	for i := range keys {
		found = append(found, keys[i].read())
	}
	return found, err
}

// inOrder is the order of LoadPolicy.
func inOrder(a, b manager.Resource) int {
	one, other := a.Ref(), b.Ref()
	return cmp.Or(cmp.Compare(place(one.Kind), place(other.Kind)),
		strings.Compare(one.Partner, other.Partner), strings.Compare(one.Name, other.Name))
}

func place(kind manager.Kind) int {
	if at := slices.Index(manager.Kinds, kind); at >= 0 {
		return at
	}
	return len(manager.Kinds)
}

// PolicyRevision implements manager.PolicyStore.
func (s *Store) PolicyRevision(ctx context.Context) (revision int64, err error) {
	err = s.call(ctx, "read the policy's revision", func(ctx context.Context) error {
		var head meta
		err := s.one(ctx, metaCollection, byID(metaID), &head)
		revision = head.Revision
		return err
	})
	return revision, err
}
