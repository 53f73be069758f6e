// Command quota is the filter of that name as a module of its own.
package main

import (
	"github.com/partnergate/partnergate/filters/edge"
	"github.com/partnergate/partnergate/filters/quota"
)

func init() { edge.Register(quota.Filter) }

func main() {}
