// Command catalog-gate is the filter of that name as a module of its own.
package main

import (
	gate "github.com/partnergate/partnergate/filters/catalog-gate"
	"github.com/partnergate/partnergate/filters/edge"
)

func init() { edge.Register(gate.Filter) }

func main() {}
