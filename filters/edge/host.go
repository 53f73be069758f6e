package edge

import "github.com/partnergate/partnergate/filters/proxywasm"

// need is what a host must have; without it no policy can come, and every
// request is refused with 503 policy_unavailable.
type need string

const (
	needTicks      need = "ticks"
	needSharedData need = "shared_data"
	needQueues     need = "shared_queues"
	needCalls      need = "http_calls"
	needContexts   need = "effective_context"
)

// lacks says what the host does not have, once for each VM.
func (e *Edge) lacks(what need, err error) {
	if e.lacking[what] {
		return
	}
	if e.lacking == nil {
		e.lacking = map[need]bool{}
	}
	e.lacking[what] = true
	countReason("partnergate_host_lacks", string(what))
	proxywasm.LogCritical("partnergate: the host refuses " + string(what) + " (" + err.Error() + "), so no policy can come, and every request gets 503 policy_unavailable; " +
		"run the filters on a host that has all that docs/filters.md names under \"What a host must have\"")
}
