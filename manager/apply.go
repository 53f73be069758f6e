package manager

import (
	"cmp"
	"context"
	"slices"
)

// Action is what happened to a resource.
type Action string

// The actions.
const (
	ActionCreated   Action = "created"
	ActionUpdated   Action = "updated"
	ActionUnchanged Action = "unchanged"
	ActionDeleted   Action = "deleted"
)

// ApplyOptions says how resources are applied.
type ApplyOptions struct {
	Prune  bool // delete resources that files own and that are not among those applied
	DryRun bool // decide and answer, write nothing
}

// ApplyResult is what Apply did, or with DryRun would do.
type ApplyResult struct {
	PolicyVersion int64        `json:"policy_version"`
	Results       []ApplyEntry `json:"results"`
}

// ApplyEntry is what happened to one resource.
type ApplyEntry struct {
	Kind    Kind   `json:"kind"`
	Partner string `json:"partner,omitempty"`
	Name    string `json:"name"`
	Action  Action `json:"action"`
	// TakenFrom is who managed the resource until files took it over.
	TakenFrom Owner `json:"taken_from,omitempty"`
}

// Apply makes resources what the policy holds, all or nothing; their order is
// free. What the portal or the API owned before is taken over ("updated") and
// belongs to the actor's owner from then on. Nothing else is touched, but for
// Prune, which deletes what that owner owns and is not among resources; of the
// environments sandbox and production it only drops the contents.
//
// Members that a partner's document names for the first time are invited.
// Nobody is removed, and no role is changed, by applying.
func (s *Service) Apply(ctx context.Context, actor Actor, resources []Resource, o ApplyOptions) (*ApplyResult, error) {
	if actor.Owner == OwnerPortal {
		return nil, &Error{Code: CodeForbidden, Message: "documents are applied by operators, not through the portal"}
	}
	var p problems
	prepared := prepare(resources, s.current(), &p)
	if err := p.err("the documents are not valid"); err != nil {
		return nil, err
	}
	var result ApplyResult
	decide := func(before *state) ([]Change, error) {
		plan := planApply(before, actor, prepared, o.Prune)
		result.Results = plan.entries
		return plan.changes, nil
	}
	act := s.change
	if o.DryRun {
		act = s.tryChange
	}
	policy, err := act(ctx, actor, decide)
	if err != nil {
		return nil, err
	}
	result.PolicyVersion = policy.revision
	return &result, nil
}

// applyPlan is what an Apply is going to do.
type applyPlan struct {
	changes []Change
	entries []ApplyEntry
}

func planApply(before *state, actor Actor, prepared []Resource, prune bool) *applyPlan {
	var plan applyPlan
	declared := make(map[Ref]bool, len(prepared))
	for _, r := range prepared {
		declared[r.Ref()] = true
		r = clone(r) // its head is written, perhaps once for each try
		r.Meta().ManagedBy = actor.Owner
		plan.write(before, r)
	}
	if prune {
		plan.prune(before, actor, declared)
	}
	plan.sort()
	return &plan
}

// sort orders the entries by kind, partner and name.
func (p *applyPlan) sort() {
	slices.SortFunc(p.entries, func(a, b ApplyEntry) int {
		return cmp.Or(cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Name, b.Name))
	})
}

func (p *applyPlan) write(before *state, r Resource) {
	stored := before.get(r.Ref())
	switch {
	case stored == nil:
		p.note(r.Ref(), ActionCreated)
	case stored.Meta().ManagedBy == r.Meta().ManagedBy && sameSpec(stored, r):
		p.note(r.Ref(), ActionUnchanged)
		return
	default:
		p.note(r.Ref(), ActionUpdated)
		if before := stored.Meta().ManagedBy; before != r.Meta().ManagedBy {
			p.entries[len(p.entries)-1].TakenFrom = before
		}
	}
	p.changes = append(p.changes, Change{Ref: r.Ref(), After: r})
}

// prune leaves alone what the actor could not delete anyhow: a team prunes what is its own.
func (p *applyPlan) prune(before *state, actor Actor, declared map[Ref]bool) {
	for _, kind := range Kinds {
		for _, r := range before.list(kind, "") {
			ref := r.Ref()
			if declared[ref] || r.Meta().ManagedBy != actor.Owner || actor.Grant.Confined() && !actor.Grant.coversResource(before, r) {
				continue
			}
			p.remove(before, ref)
		}
	}
}

// firstEnvironmentOf returns the environment that always exists under ref, or nil.
func firstEnvironmentOf(ref Ref) *firstEnvironment {
	if ref.Kind != KindEnvironment {
		return nil
	}
	for i := range firstEnvironments {
		if firstEnvironments[i].name == ref.Name {
			return &firstEnvironments[i]
		}
	}
	return nil
}

func (p *applyPlan) note(ref Ref, action Action) {
	p.entries = append(p.entries, ApplyEntry{Kind: ref.Kind, Partner: ref.Partner, Name: ref.Name, Action: action})
}
