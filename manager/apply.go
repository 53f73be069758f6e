package manager

import "context"

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
}

// Apply makes resources what the policy holds, all or nothing.
func (s *Service) Apply(ctx context.Context, actor Actor, resources []Resource, o ApplyOptions) (*ApplyResult, error) {
	return nil, errUnbuilt()
}
