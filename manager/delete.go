package manager

import "context"

// DeleteAll deletes the resources that refs name, all or nothing; their order
// is free, and what is gone already is "unchanged". Of the environments
// sandbox and production it drops the contents. What others need that stay is
// CodeConflict, and names them.
func (s *Service) DeleteAll(ctx context.Context, actor Actor, refs []Ref, dryRun bool) (*ApplyResult, error) {
	if actor.Owner == OwnerPortal {
		return nil, &Error{Code: CodeForbidden, Message: "documents are deleted by operators, not through the portal"}
	}
	for _, ref := range refs {
		if newResource(ref.Kind) == nil {
			return nil, notFound(ref)
		}
	}
	var result ApplyResult
	decide := func(before *state) ([]Change, error) {
		var plan applyPlan
		seen := map[Ref]bool{}
		for _, ref := range refs {
			if !seen[ref] {
				seen[ref] = true
				plan.remove(before, ref)
			}
		}
		plan.sort()
		result.Results = plan.entries
		return plan.changes, nil
	}
	act := s.change
	if dryRun {
		act = s.tryChange
	}
	policy, err := act(ctx, actor, decide)
	if err != nil {
		return nil, err
	}
	result.PolicyVersion = policy.revision
	return &result, nil
}

// remove plans that ref is gone.
func (p *applyPlan) remove(before *state, ref Ref) {
	first := firstEnvironmentOf(ref)
	switch {
	case before.get(ref) == nil:
		p.note(ref, ActionUnchanged)
	case first != nil:
		p.note(ref, ActionUpdated)
		p.changes = append(p.changes, first.change())
	default:
		p.note(ref, ActionDeleted)
		p.changes = append(p.changes, Change{Ref: ref})
	}
}

// InitialEnvironment is what the environment sandbox or production is without
// a file, and nil for others.
func InitialEnvironment(name string) *Environment {
	first := firstEnvironmentOf(Ref{Kind: KindEnvironment, Name: name})
	if first == nil {
		return nil
	}
	return first.change().After.(*Environment)
}
