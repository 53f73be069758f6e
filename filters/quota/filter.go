// Package quota is the last filter: it takes the request from the partner's
// limits, tells the upstream who calls, and counts the request when it ends.
package quota

import (
	"github.com/partnergate/partnergate/filters/edge"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

// Filter is the filter by itself.
var Filter = edge.Filter{RootID: "quota", Steps: []edge.Step{Step}, Passed: Identify, Counts: true}

// Step takes from the limits.
var Step = edge.Step{Needs: policy.StageGated, Run: meter}

func meter(s *edge.Stream) (waits bool) {
	d := &s.Decision
	snapshot, missing := s.Policy()
	if snapshot == nil {
		d.Code = missing
		return false
	}
	if snapshot.Confirm(d, s.Request.Now); d.Code.Refused() {
		return false
	}
	v := s.Take(snapshot)
	if s.Ripens(v) {
		return true
	}
	if v.Code == policy.Undecided {
		if s.Wait(snapshot) {
			return true
		}
		v.Code = policy.LimitUnavailable
	}
	d.Code, d.Stage, d.Limit = v.Code, policy.StageMetered, s.Limit(v)
	return false
}

// Identify tells the upstream who calls. What the client sent under these
// names was removed by the first filter.
func Identify(s *edge.Stream) {
	d := &s.Decision
	set("x-partner-id", d.Partner)
	set("x-partner-application", d.Application)
	set("x-partner-environment", d.Environment)
	set("x-partner-product", d.Product)
	set("x-partner-subscription", d.Subscription)
}

func set(name, value string) {
	if value == "" {
		return
	}
	if err := proxywasm.ReplaceHttpRequestHeader(name, value); err != nil {
		proxywasm.LogError("partnergate: the host did not take header " + name + ": " + err.Error())
	}
}
