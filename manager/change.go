package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxTries bounds how often a change is decided anew because another manager
// wrote in between.
const maxTries = 5

// decision turns a policy into changes. It may be asked several times, and
// changes nothing itself. An After that it returns has its spec, name, partner
// and ManagedBy; the rest of the head is filled in.
type decision func(before *state) ([]Change, error)

// change decides on the current policy, checks and compiles the result, stores
// it and publishes it. It returns the policy that then holds.
func (s *Service) change(ctx context.Context, actor Actor, decide decision) (*state, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	for range maxTries {
		before := s.current()
		after, changes, err := s.draft(actor, decide)
		if err != nil || len(changes) == 0 {
			if again, unsure := s.overtaken(ctx, before); unsure != nil && err == nil {
				return nil, unsure
			} else if again {
				continue
			}
			return before, err
		}
		next, err := s.compile(ctx, after)
		if err != nil {
			return nil, err
		}
		if err := s.seedMembers(ctx, actor, before, changes); err != nil {
			return nil, err
		}
		_, err = s.store.CommitPolicy(ctx, PolicyCommit{
			Revision: before.revision, At: after.changedAt, Emptied: after.emptied, Changes: changes, Audit: s.entries(ctx, actor, before, changes, after.revision),
		})
		if errors.Is(err, ErrRevision) {
			if err := s.reload(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, s.unavailable("CommitPolicy", err)
		}
		s.install(ctx, after, next)
		s.logger.InfoContext(ctx, "policy changed", "policy_version", after.revision, "actor", actor.Name, "on_behalf_of", actor.Owner, "changes", len(changes), "first", changes[0].Ref.String())
		return after, nil
	}
	return nil, &Error{Code: CodeUnavailable, Message: "others keep changing the policy at the same time; try again"}
}

// overtaken tells whether another manager has written since before, and takes
// that in: an answer that changes nothing is never checked by a commit. The
// caller holds the lock.
func (s *Service) overtaken(ctx context.Context, before *state) (bool, error) {
	if s.notifier == nil {
		return false, nil
	}
	revision, err := s.store.PolicyRevision(ctx)
	if err != nil {
		return false, s.unavailable("PolicyRevision", err)
	}
	if revision == before.revision {
		return false, nil
	}
	err = s.reload(ctx)
	return err == nil, err
}

// tryChange is change without storing: it returns the policy that stays.
func (s *Service) tryChange(ctx context.Context, actor Actor, decide decision) (*state, error) {
	if s.notifier != nil {
		if err := s.follow(ctx); err != nil {
			return nil, err
		}
	}
	after, changes, err := s.draft(actor, decide)
	if err == nil && len(changes) > 0 {
		_, err = s.compile(ctx, after)
	}
	return s.current(), err
}

// draft decides on the current policy, checks the result and whether the actor
// may make it so, but stores nothing.
func (s *Service) draft(actor Actor, decide decision) (after *state, changes []Change, err error) {
	before := s.current()
	changes, err = decide(before)
	if err != nil || len(changes) == 0 {
		return before, nil, err
	}
	now := *s.timestamp()
	changes = append(changes, spentCredentials(before, changes, now)...)
	stamp(changes, before, now)
	after = before.with(changes, before.revision+1)
	after.changedAt = now
	if err := actor.Grant.permits(before, after, changes); err != nil {
		return before, nil, err
	}
	return after, changes, checkChanges(after, changes, now)
}

// stamp fills in the heads of what is written.
func stamp(changes []Change, before *state, now time.Time) {
	for _, c := range changes {
		if c.After == nil {
			continue
		}
		m := c.After.Meta()
		m.Revision, m.CreatedAt, m.UpdatedAt = before.revision+1, now, now
		if stored := before.get(c.Ref); stored != nil {
			m.CreatedAt = stored.Meta().CreatedAt
		}
	}
}

// checkChanges checks the policy after changes as far as they can have broken it.
func checkChanges(after *state, changes []Change, now time.Time) error {
	var conflicts []string
	for _, c := range changes {
		if c.After != nil {
			continue
		}
		if needed := after.dependents(c.Ref, now); len(needed) > 0 {
			conflicts = append(conflicts, fmt.Sprintf("%s is needed by %s", c.Ref, refList(needed)))
		}
	}
	if len(conflicts) > 0 {
		slices.Sort(conflicts)
		return &Error{Code: CodeConflict, Reason: ReasonNeeded, Message: "cannot delete: " + strings.Join(conflicts, "; ") + ". Delete or change those first"}
	}
	var p problems
	(&policyCheck{problems: &p, state: after}).changes(changes)
	return p.err("the policy would not be valid")
}

// Reasons of conflicts.
const (
	ReasonNeeded      = "needed"        // others need what was to be deleted
	ReasonFileOwned   = "managed_by"    // a file owns it
	ReasonPolicyLimit = "policy_limits" // it cannot be compiled
)

// refList names the first few.
func refList(refs []Ref) string {
	const most = 10
	words := make([]string, 0, most)
	for i, r := range refs {
		if i == most {
			return strings.Join(words, ", ") + fmt.Sprintf(" and %d more", len(refs)-most)
		}
		words = append(words, r.String())
	}
	return strings.Join(words, ", ")
}

// dependents lists what needs ref, in the order of kinds and names.
func (s *state) dependents(ref Ref, now time.Time) []Ref {
	var needed []Ref
	if ref.Kind == KindEnvironment {
		for _, name := range names(s.products) {
			if _, served := s.products[name].Spec.Environments[ref.Name]; served {
				needed = append(needed, s.products[name].Ref())
			}
		}
	}
	if ref.Kind == KindProduct {
		needed = append(needed, s.plansWithoutOperation()...)
	}
	if ref.Kind == KindPartner || ref.Kind == KindApplication {
		if p := s.partners[ref.owner()]; p != nil {
			return p.dependents(ref, now)
		}
		return nil
	}
	for _, name := range names(s.partners) {
		needed = append(needed, s.partners[name].dependents(ref, now)...)
	}
	return needed
}

// dependents lists what of the partner's needs ref.
func (p *partnerState) dependents(ref Ref, now time.Time) []Ref {
	var needed []Ref
	if ref.Kind == KindPartner {
		for _, name := range names(p.applications) {
			needed = append(needed, p.applications[name].Ref())
		}
	}
	for _, name := range names(p.subscriptions) {
		if s := p.subscriptions[name]; s.needs(ref) {
			needed = append(needed, s.Ref())
		}
	}
	for _, id := range names(p.credentials) {
		if c := p.credentials[id]; c.needs(ref) && c.live(now) {
			needed = append(needed, c.Ref())
		}
	}
	return needed
}

func (r *Subscription) needs(ref Ref) bool {
	switch ref.Kind {
	case KindEnvironment:
		return r.Spec.Environment == ref.Name
	case KindProduct:
		return r.Spec.Product == ref.Name
	case KindPlan:
		return r.Spec.Plan == ref.Name
	case KindPartner:
		return true
	case KindApplication:
		return slices.Contains(r.Spec.Applications, ref.Name)
	}
	return false
}

// needs leaves partners out: a partner is needed by the application already.
func (r *Credential) needs(ref Ref) bool {
	return ref.Kind == KindApplication && r.Application == ref.Name ||
		ref.Kind == KindEnvironment && r.Environment == ref.Name
}

// spentCredentials deletes with an application its revoked and expired
// credentials, which nobody can use or wants to see without it; those that
// changes delete already are not deleted twice.
func spentCredentials(before *state, changes []Change, now time.Time) []Change {
	var spent []Change
	named := map[string]bool{}
	for _, c := range changes {
		named[c.Ref.Name] = named[c.Ref.Name] || c.Ref.Kind == KindCredential
	}
	for _, c := range changes {
		if c.Ref.Kind != KindApplication || c.After != nil || before.partners[c.Ref.Partner] == nil {
			continue
		}
		for _, credential := range before.partners[c.Ref.Partner].credentials {
			if credential.Application == c.Ref.Name && !credential.live(now) && !named[credential.Metadata.Name] {
				spent = append(spent, Change{Ref: credential.Ref()})
			}
		}
	}
	return spent
}

// reload reads the policy from the store, and publishes it. The caller holds
// the lock, or is the only one there is.
func (s *Service) reload(ctx context.Context) error {
	after, err := s.stored(ctx)
	if err != nil {
		return err
	}
	next, err := s.compile(ctx, after)
	if err != nil {
		return err
	}
	s.install(ctx, after, next)
	return nil
}

// stored is the policy that the store holds: read as far as it has changed, where the store can tell.
func (s *Service) stored(ctx context.Context) (*state, error) {
	before := s.current()
	if s.notifier != nil {
		delta, err := s.notifier.PolicyChanges(ctx, before.lineage, before.revision)
		if err == nil {
			return before.followed(delta, before)
		}
		if !errors.Is(err, ErrMissing) {
			return nil, s.unavailable("PolicyChanges", err)
		}
	}
	all, err := s.store.LoadPolicy(ctx)
	if err != nil {
		return nil, s.unavailable("LoadPolicy", err)
	}
	return loadState(all, before)
}

// install makes a policy and its snapshot the current ones.
func (s *Service) install(ctx context.Context, after *state, next *compiled) {
	_, end := s.tracing.begin(ctx, "policy.publish")
	defer end(nil)
	s.policy.Store(after)
	if s.publisher.publish(next, s.now()) {
		s.metrics.published(after.revision)
	}
}

func (s *Service) lock(ctx context.Context) error {
	if s.ctx.Err() != nil {
		return &Error{Code: CodeUnavailable, Message: "the manager is stopping"}
	}
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-s.ctx.Done():
		return &Error{Code: CodeUnavailable, Message: "the manager is stopping"}
	case <-ctx.Done():
		return &Error{Code: CodeUnavailable, Message: "others are changing the policy; try again"}
	}
}

func (s *Service) unlock() { <-s.writing }
