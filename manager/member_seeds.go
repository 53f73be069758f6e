package manager

import (
	"context"
	"slices"
	"sync"
)

// seedMembers invites the members that partners' documents name for the first
// time. It runs before the change is stored, so that a manager that dies in
// between invites them again; memberships of a partner that does not exist
// count for nothing.
func (s *Service) seedMembers(ctx context.Context, actor Actor, before *state, changes []Change) error {
	var partners []*Partner
	for _, c := range changes {
		if partner, ok := c.After.(*Partner); ok {
			partners = append(partners, partner)
		}
	}
	// Of thousands several at once, since most of the time is waiting for the store.
	return share(ctx, partners, min(8, 1+len(partners)/100), func(ctx context.Context, partner *Partner) error {
		return s.seedPartner(ctx, actor, before, partner)
	})
}

func (s *Service) seedPartner(ctx context.Context, actor Actor, before *state, partner *Partner) error {
	var known []MemberSeed
	if p, exists := before.partner(partner.Metadata.Name); exists {
		known = p.partner.Spec.Members
	} else if err := s.deleteMemberships(ctx, actor, partner.Metadata.Name); err != nil {
		return err // those of an earlier partner of that name
	}
	for _, seed := range partner.Spec.Members {
		named := func(m MemberSeed) bool { return m.Email == seed.Email }
		if slices.ContainsFunc(known, named) {
			continue
		}
		if err := s.seedMember(ctx, actor, partner.Metadata.Name, seed); err != nil {
			return err
		}
	}
	return nil
}

// share does all items, each of the workers its part of them in order, until
// one fails.
func share[T any](ctx context.Context, items []T, workers int, do func(ctx context.Context, item T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for part := range slices.Chunk(items, max(1, (len(items)+workers-1)/workers)) {
		work.Go(func() {
			for _, item := range part {
				if ctx.Err() != nil {
					return
				}
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	work.Wait()
	return context.Cause(ctx)
}

func (s *Service) seedMember(ctx context.Context, actor Actor, partner string, seed MemberSeed) error {
	there, err := s.membership(ctx, partner, seed.Email)
	if err != nil || there != nil {
		return err
	}
	m := Membership{Partner: partner, Email: seed.Email, Role: seed.Role, CreatedAt: *s.timestamp()}
	return s.putMember(ctx, m, s.memberEntry(ctx, actor, string(ActionCreated), partner, seed.Email, "", seed.Role))
}

// deleteMemberships ends all memberships and invitations of a partner.
func (s *Service) deleteMemberships(ctx context.Context, actor Actor, partner string) error {
	members, err := s.memberships(ctx, partner)
	if err != nil {
		return err
	}
	for _, m := range members {
		e := s.memberEntry(ctx, actor, string(ActionDeleted), partner, m.Email, m.Role, "")
		if err := s.store.DeleteMembership(ctx, partner, m.Email, e); err != nil {
			return s.unavailable("DeleteMembership", err)
		}
	}
	_, err = s.dropInvitations(ctx, actor, partner, func(Invitation) bool { return true })
	return err
}
