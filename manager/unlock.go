package manager

import (
	"context"
	"net/netip"
	"slices"
)

// UnlockMember forgets the failed logins of a member, from everywhere, and
// returns how many there were. Whether there is such a member changes nothing.
func (s *Service) UnlockMember(ctx context.Context, actor Actor, email string) (failures int, err error) {
	email = normalEmail(email)
	var p problems
	checkEmail(email, "email", &p)
	if err := p.err("the member is not valid"); err != nil {
		return 0, err
	}
	member := digestOfMember(email)
	return s.forgetFailures(ctx, actor, email, pair{member: member}.memberKey(), func(address string) pair { return pair{member, address} })
}

// UnlockAddress forgets the failed logins from an IP address, or from the
// network that stands for it, and returns how many there were.
func (s *Service) UnlockAddress(ctx context.Context, actor Actor, address string) (failures int, err error) {
	if _, err := netip.ParseAddr(address); err != nil {
		return 0, invalid("address", "must be an IP address such as 192.0.2.7")
	}
	digest := digestOfAddress(address)
	with := func(member string) pair { return pair{member, digest} }
	return s.forgetFailures(ctx, actor, network(address), pair{address: digest}.addressKey(), with, digestOfMember(consoleLogin))
}

// forgetFailures deletes what has failed of the pairs of all that are marked
// under a key, and of those that are counted apart from them.
func (s *Service) forgetFailures(ctx context.Context, actor Actor, name, key string, with func(id string) pair, apart ...string) (failures int, err error) {
	if err := actor.Grant.unconfined("logins"); err != nil {
		return 0, err
	}
	now := s.now()
	others, err := s.store.MarkedIDs(ctx, now, key)
	if err != nil {
		return 0, s.unavailable("MarkedIDs", err)
	}
	var marks []Mark
	var keys []string
	for _, id := range append(others, apart...) {
		p := with(id)
		marks, keys = append(marks, p.failures()...), append(keys, p.key())
	}
	for some := range slices.Chunk(keys, unlockStep) {
		counts, err := s.store.Marks(ctx, now, some...)
		if err != nil {
			return 0, s.unavailable("Marks", err)
		}
		for _, n := range counts {
			failures += n
		}
	}
	e := s.entry(ctx, actor, actionUnlocked, Ref{Kind: KindLogin, Name: name})
	e.Before = auditJSON(map[string]any{"failures": failures})
	return failures, s.deleteFailures(ctx, append(marks, Mark{Key: key}), e)
}

// unlockStep is how many marks the store is asked for at once: a member may
// have failed from as many addresses as an attacker has.
const unlockStep = 1000

// deleteFailures tells of it with the last step, so that a step that fails is taken again.
func (s *Service) deleteFailures(ctx context.Context, marks []Mark, e AuditEntry) error {
	for ; len(marks) > unlockStep; marks = marks[unlockStep:] {
		if err := s.store.DeleteMarks(ctx, marks[:unlockStep]); err != nil {
			return s.unavailable("DeleteMarks", err)
		}
	}
	if err := s.store.DeleteMarks(ctx, marks, e); err != nil {
		return s.unavailable("DeleteMarks", err)
	}
	return nil
}
