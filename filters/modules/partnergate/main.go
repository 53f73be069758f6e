// Command partnergate is the module with all three filters, each under its own
// root id, and all three in one context under the root id partnergate.
package main

import (
	gate "github.com/partnergate/partnergate/filters/catalog-gate"
	"github.com/partnergate/partnergate/filters/edge"
	resolution "github.com/partnergate/partnergate/filters/partner-resolution"
	"github.com/partnergate/partnergate/filters/quota"
)

func init() { edge.Register(resolution.Filter, gate.Filter, quota.Filter, all) }

// all does in one context what the three do one after the other.
var all = edge.Filter{
	RootID:   "partnergate",
	Steps:    []edge.Step{resolution.Step, gate.Step, quota.Step},
	Trailers: resolution.Trailers,
	Passed:   quota.Identify,
	Counts:   true,
}

func main() {}
