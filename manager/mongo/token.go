package mongo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

// token is an admin token without the time of its last use, which has a field of its own.
type token struct {
	Name      string            `bson:"_id"`
	Digest    []byte            `bson:"digest"`
	Role      manager.TokenRole `bson:"role"`
	Teams     []string          `bson:"teams"` // null for none
	CreatedBy string            `bson:"created_by"`
	CreatedAt int64             `bson:"created_at"`
	ExpiresAt *int64            `bson:"expires_at"`
	RevokedAt *int64            `bson:"revoked_at"`
	Revision  int64             `bson:"revision"`
}

type usedToken struct {
	Token      token  `bson:",inline"`
	LastUsedAt *int64 `bson:"last_used_at"`
}

func (u *usedToken) read() manager.AdminToken {
	t := &u.Token
	return manager.AdminToken{Name: t.Name, Digest: digest(t.Digest), Role: t.Role, Teams: t.Teams, CreatedBy: t.CreatedBy,
		CreatedAt: fromMicros(t.CreatedAt), ExpiresAt: fromOptionalMicros(t.ExpiresAt), RevokedAt: fromOptionalMicros(t.RevokedAt),
		LastUsedAt: fromOptionalMicros(u.LastUsedAt), Revision: t.Revision}
}

// AdminToken implements manager.TokenStore.
func (s *Store) AdminToken(ctx context.Context, digest [32]byte) (*manager.AdminToken, error) {
	var stored usedToken
	err := s.call(ctx, "read a token", func(ctx context.Context) error {
		return s.one(ctx, tokenCollection, equals("digest", digest[:]), &stored)
	})
	if err != nil {
		return nil, err
	}
	found := stored.read()
	return &found, nil
}

// AdminTokens implements manager.TokenStore.
func (s *Store) AdminTokens(ctx context.Context) (found []manager.AdminToken, err error) {
	var stored []usedToken
	err = s.call(ctx, "list tokens", func(ctx context.Context) (err error) {
		stored, err = all[usedToken](ctx, s, tokenCollection, bson.D{}, options.Find().SetSort(equals("_id", 1)))
		return err
	})
	for i := range stored {
		found = append(found, stored[i].read())
	}
	return found, err
}

// PutAdminToken implements manager.TokenStore.
func (s *Store) PutAdminToken(ctx context.Context, t *manager.AdminToken, audit ...manager.AuditEntry) error {
	stored := token{Name: t.Name, Digest: t.Digest[:], Role: t.Role, Teams: t.Teams, CreatedBy: t.CreatedBy, CreatedAt: micros(t.CreatedAt),
		ExpiresAt: optionalMicros(t.ExpiresAt), RevokedAt: optionalMicros(t.RevokedAt), Revision: t.Revision + 1}
	return s.atomically(ctx, "store a token", func(ctx context.Context) error {
		return s.audited(ctx, audit, s.putToken(ctx, t.Revision, stored))
	})
}

func (s *Store) putToken(ctx context.Context, revision int64, stored token) error {
	var matched int64 = 1
	var err error
	if revision == 0 {
		_, err = s.in(tokenCollection).InsertOne(ctx, stored)
	} else {
		filter := bson.D{{Key: "_id", Value: stored.Name}, {Key: "revision", Value: revision}}
		var result *driver.UpdateResult
		if result, err = s.in(tokenCollection).UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: stored}}); err == nil {
			matched = result.MatchedCount
		}
	}
	switch {
	case driver.IsDuplicateKeyError(err) && strings.Contains(err.Error(), "digest"):
		return fmt.Errorf("another token has the same digest: %w", err)
	case matched == 0:
		return manager.ErrRevision
	}
	return taken(err)
}

// NoteTokenUse implements manager.TokenStore.
func (s *Store) NoteTokenUse(ctx context.Context, name string, at time.Time) error {
	return s.call(ctx, "note the use of a token", func(ctx context.Context) error {
		_, err := s.in(tokenCollection).UpdateOne(ctx, byID(name), bson.D{{Key: "$max", Value: equals("last_used_at", micros(at))}})
		return err
	})
}
