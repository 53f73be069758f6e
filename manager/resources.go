package manager

import "context"

// What Put and Delete expect of the stored resource, besides an exact revision.
const (
	AnyRevision  int64 = -1 // whatever is there, or nothing
	MustNotExist int64 = 0
)

// Page is one page of a list; Next is the cursor of the next one, empty on the last.
type Page struct {
	Items []Resource
	Next  string
}

// Resource returns one resource.
func (s *Service) Resource(ctx context.Context, ref Ref) (Resource, error) { return nil, errUnbuilt() }

// List lists resources of a kind, of one partner where partner is not empty,
// ordered by partner and name. limit is at most 500; 0 means 100.
func (s *Service) List(ctx context.Context, kind Kind, partner string, limit int, cursor string) (*Page, error) {
	return nil, errUnbuilt()
}

// Put creates or replaces one resource.
func (s *Service) Put(ctx context.Context, actor Actor, r Resource, expected int64) (stored Resource, action Action, err error) {
	return nil, "", errUnbuilt()
}

// Delete deletes one resource that no other needs.
func (s *Service) Delete(ctx context.Context, actor Actor, ref Ref, expected int64) (policyVersion int64, err error) {
	return 0, errUnbuilt()
}
