//go:build !wasip1

package edge_test

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/docs/reliability"
)

// TestHostsThatLackSomething has the host answer unimplemented for what the
// filters need: every request is refused, and log and metric say why, once.
func TestHostsThatLackSomething(t *testing.T) {
	for _, lacks := range []string{"ticks", "shared_data", "shared_queues", "http_calls", "effective_context"} {
		t.Run(lacks, func(t *testing.T) {
			h, call := nativeVMOn(t, "partnergate", lacks, newStub(estate(1)))
			h.request = [][2]string{{":authority", sandboxHost}, {":path", "/v1/pay"}, {":method", "GET"}, {":scheme", "http"}, {"x-api-key", acmeKey}}
			for id := range uint32(20) {
				if h.now += 100; !h.noTicks() {
					call.OnTick(1)
				}
				h.stream(call, id+2)
			}
			if h.replies != 20 {
				t.Errorf("%d of 20 requests were refused", h.replies)
			}
			said := 0
			for _, message := range h.logs {
				if strings.Contains(message, "the host refuses "+lacks+" (") {
					said++
				}
			}
			counted := h.counted[nativeMetrics["partnergate_host_lacks;.reason="+lacks+".;"]]
			if said != 1 || counted != 1 {
				t.Errorf("the log says it %d times: %q; the metric %d times", said, h.logs, counted)
			}
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a host lacks what the filters need",
		Done:     "ticks, shared data, shared queues, HTTP calls or effective contexts are answered unimplemented",
		Promised: "every request is refused; the log says once what is lacking, and `partnergate_host_lacks` names it",
		Seen:     "as promised",
	})
}
