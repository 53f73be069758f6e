// Command partner-resolution is the filter of that name as a module of its own.
package main

import (
	"github.com/partnergate/partnergate/filters/edge"
	resolution "github.com/partnergate/partnergate/filters/partner-resolution"
)

func init() { edge.Register(resolution.Filter) }

func main() {}
