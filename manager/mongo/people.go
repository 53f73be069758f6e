package mongo

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

type account struct {
	Email        string `bson:"_id"`
	PasswordHash string `bson:"password_hash"`
	CreatedAt    int64  `bson:"created_at"`
	LastLoginAt  *int64 `bson:"last_login_at,omitempty"`
	Revision     int64  `bson:"revision"`
}

// Account implements manager.PeopleStore.
func (s *Store) Account(ctx context.Context, email string) (*manager.Account, error) {
	var a account
	err := s.call(ctx, "read an account", func(ctx context.Context) error {
		return s.one(ctx, accountCollection, byID(email), &a)
	})
	if err != nil {
		return nil, err
	}
	return a.read(), nil
}

// AccountsOf implements manager.PeopleStore.
func (s *Store) AccountsOf(ctx context.Context, emails []string) ([]manager.Account, error) {
	these := bson.A{}
	for _, email := range emails {
		these = append(these, email)
	}
	return s.accounts(ctx, byID(bson.D{{Key: "$in", Value: these}}))
}

// accounts lists those that the filter finds, by email.
func (s *Store) accounts(ctx context.Context, filter bson.D) (found []manager.Account, err error) {
	var stored []account
	err = s.call(ctx, "list accounts", func(ctx context.Context) (err error) {
		stored, err = all[account](ctx, s, accountCollection, filter, options.Find().SetSort(byID(1)))
		return err
	})
	for i := range stored {
		found = append(found, *stored[i].read())
	}
	return found, err
}

func (a *account) read() *manager.Account {
	return &manager.Account{Email: a.Email, PasswordHash: a.PasswordHash, CreatedAt: fromMicros(a.CreatedAt),
		LastLoginAt: fromOptionalMicros(a.LastLoginAt), Revision: a.Revision}
}

// PutAccount implements manager.PeopleStore.
func (s *Store) PutAccount(ctx context.Context, a *manager.Account, audit ...manager.AuditEntry) error {
	return s.atomically(ctx, "store an account", func(ctx context.Context) error {
		return s.audited(ctx, audit, s.putAccount(ctx, a))
	})
}

func (s *Store) putAccount(ctx context.Context, a *manager.Account) error {
	return s.swap(ctx, accountCollection, a.Email, a.Revision, account{Email: a.Email, PasswordHash: a.PasswordHash,
		CreatedAt: micros(a.CreatedAt), LastLoginAt: optionalMicros(a.LastLoginAt), Revision: a.Revision + 1})
}

// memberID is the _id of a membership, and of an invitation.
type memberID struct {
	Partner string `bson:"partner"`
	Email   string `bson:"email"`
}

type membership struct {
	ID        memberID     `bson:"_id"`
	Role      manager.Role `bson:"role"`
	CreatedAt int64        `bson:"created_at"`
}

// Memberships implements manager.PeopleStore.
func (s *Store) Memberships(ctx context.Context, partner, email string) ([]manager.Membership, error) {
	filter := bson.D{}
	if partner != "" {
		filter = append(filter, bson.E{Key: "_id.partner", Value: partner})
	}
	if email != "" {
		filter = append(filter, bson.E{Key: "_id.email", Value: email})
	}
	if len(filter) == 0 {
		return nil, errors.New("mongodb store: list memberships: neither partner nor email is given")
	}
	return s.memberships(ctx, filter)
}

func (s *Store) memberships(ctx context.Context, filter bson.D) (found []manager.Membership, err error) {
	order := options.Find().SetSort(bson.D{{Key: "_id.partner", Value: 1}, {Key: "_id.email", Value: 1}})
	var stored []membership
	err = s.call(ctx, "list memberships", func(ctx context.Context) (err error) {
		stored, err = all[membership](ctx, s, membershipCollection, filter, order)
		return err
	})
	for _, m := range stored {
		found = append(found, manager.Membership{Partner: m.ID.Partner, Email: m.ID.Email, Role: m.Role, CreatedAt: fromMicros(m.CreatedAt)})
	}
	return found, err
}

// PutMembership implements manager.PeopleStore.
func (s *Store) PutMembership(ctx context.Context, m manager.Membership, audit ...manager.AuditEntry) error {
	return s.atomically(ctx, "store a membership", func(ctx context.Context) error {
		return s.audited(ctx, audit, s.putMembership(ctx, m))
	})
}

func (s *Store) putMembership(ctx context.Context, m manager.Membership) error {
	id := memberID{m.Partner, m.Email}
	return s.put(ctx, membershipCollection, byID(id), membership{ID: id, Role: m.Role, CreatedAt: micros(m.CreatedAt)})
}

// DeleteMembership implements manager.PeopleStore.
func (s *Store) DeleteMembership(ctx context.Context, partner, email string, audit ...manager.AuditEntry) error {
	return s.deleteMember(ctx, "delete a membership", membershipCollection, memberID{partner, email}, audit)
}

func (s *Store) deleteMember(ctx context.Context, doing, collection string, id memberID, audit []manager.AuditEntry) error {
	return s.atomically(ctx, doing, func(ctx context.Context) error {
		_, err := s.in(collection).DeleteOne(ctx, byID(id))
		return s.audited(ctx, audit, err)
	})
}

type invitation struct {
	ID         memberID      `bson:"_id"`
	Digest     []byte        `bson:"digest"`
	Role       manager.Role  `bson:"role"`
	InvitedBy  string        `bson:"invited_by"`
	OnBehalfOf manager.Owner `bson:"on_behalf_of"`
	CreatedAt  int64         `bson:"created_at"`
	ExpiresAt  int64         `bson:"expires_at"`
}

func (i *invitation) read() manager.Invitation {
	return manager.Invitation{Digest: digest(i.Digest), Partner: i.ID.Partner, Email: i.ID.Email, Role: i.Role,
		InvitedBy: i.InvitedBy, OnBehalfOf: i.OnBehalfOf, CreatedAt: fromMicros(i.CreatedAt), ExpiresAt: fromMicros(i.ExpiresAt)}
}

// Invitation implements manager.InvitationStore. It ends at its ExpiresAt.
func (s *Store) Invitation(ctx context.Context, digest [32]byte, now time.Time) (*manager.Invitation, error) {
	var i invitation
	err := s.call(ctx, "read an invitation", func(ctx context.Context) error {
		filter := bson.D{{Key: "digest", Value: digest[:]}, {Key: "expires_at", Value: after(now)}}
		return s.one(ctx, invitationCollection, filter, &i)
	})
	if err != nil {
		return nil, err
	}
	found := i.read()
	return &found, nil
}

// after and until compare stored times.
func after(t time.Time) bson.D { return bson.D{{Key: "$gt", Value: micros(t)}} }
func until(t time.Time) bson.D { return bson.D{{Key: "$lte", Value: micros(t)}} }

// Invitations implements manager.InvitationStore.
func (s *Store) Invitations(ctx context.Context, partner string) (found []manager.Invitation, err error) {
	var stored []invitation
	err = s.call(ctx, "list invitations", func(ctx context.Context) (err error) {
		order := options.Find().SetSort(bson.D{{Key: "_id.email", Value: 1}})
		stored, err = all[invitation](ctx, s, invitationCollection, equals("_id.partner", partner), order)
		return err
	})
	for i := range stored {
		found = append(found, stored[i].read())
	}
	return found, err
}

// PutInvitation implements manager.InvitationStore.
func (s *Store) PutInvitation(ctx context.Context, i manager.Invitation, audit ...manager.AuditEntry) error {
	id := memberID{i.Partner, i.Email}
	return s.atomically(ctx, "store an invitation", func(ctx context.Context) error {
		err := s.put(ctx, invitationCollection, byID(id), invitation{ID: id, Digest: i.Digest[:], Role: i.Role,
			InvitedBy: i.InvitedBy, OnBehalfOf: i.OnBehalfOf, CreatedAt: micros(i.CreatedAt), ExpiresAt: micros(i.ExpiresAt)})
		return s.audited(ctx, audit, err)
	})
}

// DeleteInvitation implements manager.InvitationStore.
func (s *Store) DeleteInvitation(ctx context.Context, partner, email string, audit ...manager.AuditEntry) error {
	return s.deleteMember(ctx, "delete an invitation", invitationCollection, memberID{partner, email}, audit)
}

// AcceptInvitation implements manager.InvitationStore.
func (s *Store) AcceptInvitation(ctx context.Context, digest [32]byte, a *manager.Account, m manager.Membership, audit ...manager.AuditEntry) error {
	return s.atomically(ctx, "accept an invitation", func(ctx context.Context) error {
		result, err := s.in(invitationCollection).DeleteOne(ctx, equals("digest", digest[:]))
		if err != nil {
			return err
		}
		if result.DeletedCount == 0 {
			return manager.ErrMissing
		}
		if err := s.putAccount(ctx, a); err != nil {
			return err
		}
		return s.audited(ctx, audit, s.putMembership(ctx, m))
	})
}

type session struct {
	Digest    []byte `bson:"_id"`
	Data      []byte `bson:"data"`
	ExpiresAt int64  `bson:"expires_at"`
}

// Session implements manager.SessionStore. A session ends at its ExpiresAt.
func (s *Store) Session(ctx context.Context, digest [32]byte, now time.Time) (*manager.Session, error) {
	var found session
	err := s.call(ctx, "read a session", func(ctx context.Context) error {
		filter := bson.D{{Key: "_id", Value: digest[:]}, {Key: "expires_at", Value: after(now)}}
		return s.one(ctx, sessionCollection, filter, &found)
	})
	if err != nil {
		return nil, err
	}
	return &manager.Session{TokenDigest: digest, Data: found.Data, ExpiresAt: fromMicros(found.ExpiresAt)}, nil
}

// PutSession implements manager.SessionStore.
func (s *Store) PutSession(ctx context.Context, one *manager.Session) error {
	return s.call(ctx, "store a session", func(ctx context.Context) error {
		return s.put(ctx, sessionCollection, byID(one.TokenDigest[:]), sessionOf(one))
	})
}

// KeepSession implements manager.SessionStore.
func (s *Store) KeepSession(ctx context.Context, one *manager.Session) error {
	return s.call(ctx, "keep a session", func(ctx context.Context) error {
		_, err := s.in(sessionCollection).ReplaceOne(ctx, byID(one.TokenDigest[:]), sessionOf(one))
		return err
	})
}

func sessionOf(one *manager.Session) session {
	return session{Digest: one.TokenDigest[:], Data: one.Data, ExpiresAt: micros(one.ExpiresAt)}
}

// DeleteSession implements manager.SessionStore.
func (s *Store) DeleteSession(ctx context.Context, digest [32]byte) error {
	return s.delete(ctx, "delete a session", sessionCollection, byID(digest[:]))
}

// DeleteExpiredSessions implements manager.SessionStore.
func (s *Store) DeleteExpiredSessions(ctx context.Context, now time.Time) error {
	return s.delete(ctx, "delete expired sessions", sessionCollection, equals("expires_at", until(now)))
}

// delete deletes all that the filter finds.
func (s *Store) delete(ctx context.Context, doing, collection string, filter bson.D) error {
	return s.call(ctx, doing, func(ctx context.Context) error {
		_, err := s.in(collection).DeleteMany(ctx, filter)
		return err
	})
}
