// Package gate is the second filter: it finds the operation that a request
// means, and whether this partner holds it.
package gate

import (
	"github.com/partnergate/partnergate/filters/edge"
	"github.com/partnergate/partnergate/filters/policy"
)

// Filter is the filter by itself.
var Filter = edge.Filter{RootID: "catalog-gate", Steps: []edge.Step{Step}}

// Step finds the operation.
var Step = edge.Step{Needs: policy.StageResolved, Run: gate}

func gate(s *edge.Stream) (waits bool) {
	if s.Adopted() && !s.Request.Prepare() {
		s.Decision.Code = policy.PathNotCanonical // another filter has changed it meanwhile
		return false
	}
	snapshot, missing := s.Policy()
	snapshot.Gate(&s.Request, &s.Decision)
	if s.Decision.Code == policy.PolicyUnavailable {
		s.Decision.Code = missing
	}
	return false
}
