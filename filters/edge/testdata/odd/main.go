// Command odd is a filter that goes wrong on demand, for the tests of edge: the
// path says how.
package main

import (
	"github.com/partnergate/partnergate/filters/edge"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/proxywasm"
)

func init() {
	edge.Register(edge.Filter{RootID: "odd", Steps: []edge.Step{{Run: obey}}})
}

func main() {}

func obey(s *edge.Stream) (waits bool) {
	switch s.Request.Path {
	case "/panic":
		var none map[string]int
		none["x"] = 1
	case "/end":
		select {} // a deadlock ends the VM: it cannot be recovered from
	case "/usurp":
		usurp(s)
	}
	return false
}

// usurp claims the leadership for a VM that does not exist.
func usurp(s *edge.Stream) {
	for _, header := range s.Headers() {
		if header[0] != "x-leader" {
			continue
		}
		var claim [25]byte
		for i := range 8 {
			claim[16+i] = byte(uint64(s.Request.Now) >> (8 * i))
		}
		if err := proxywasm.SetSharedData(header[1], claim[:], 0); err != nil {
			s.Decision.Code = policy.FilterError
		}
	}
}
