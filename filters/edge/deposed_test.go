//go:build !wasip1

package edge_test

import (
	"encoding/binary"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/docs/reliability"
	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
)

// value is what stands under the key with that ending.
func (h *nativeHost) value(t *testing.T, ending string) *nativeValue {
	t.Helper()
	for key, v := range h.shared {
		if strings.HasSuffix(key, ending) {
			return v
		}
	}
	t.Fatal("nothing stands under " + ending)
	return nil
}

// TestAnswerToOneThatLeadsNoMore stops a leader for so long that another takes
// its place and publishes a newer policy. The answers for which the first had
// waited reach it before its next tick, as they do in an event loop: they change
// nothing of what the other did.
func TestAnswerToOneThatLeadsNoMore(t *testing.T) {
	built, err := policy.Build(revoked(2), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, reply := range map[string]wire.WatchReply{"no news": {}, "an older policy": {Manifest: built.Manifest}} {
		t.Run(name, func(t *testing.T) {
			h, call := nativeVM(t, "partnergate", newStub(estate(1)))
			waiting := uint32(0)
			for i, c := range h.calls {
				if c.path == wire.WatchPath {
					waiting = uint32(i + 1)
				}
			}
			h.now += 4000
			state, claim := h.value(t, "/state").value, h.value(t, "/leader").value
			serial := binary.LittleEndian.Uint64(state) + 1
			if serial != 2 {
				t.Fatalf("the policy published has the number %d", serial-1)
			}
			binary.LittleEndian.PutUint64(state, serial)
			binary.LittleEndian.PutUint64(state[8:], h.now)
			state[16] = 1 - state[16]
			copy(claim, "another VM's one")
			binary.LittleEndian.PutUint64(claim[16:], h.now)
			want, made := string(state), len(h.calls)
			h.answer = httptest.NewRecorder()
			h.answer.Header().Set("content-type", "application/octet-stream")
			_, _ = h.answer.Write(reply.Append(nil))
			call.OnHTTPCallResponse(1, waiting, 3, uint32(h.answer.Body.Len()), 0)
			if got := h.value(t, "/state").value; string(got) != want {
				t.Errorf("the state is %x, want the other's %x", got, want)
			}
			if len(h.calls) != made {
				t.Errorf("it made another call to %s", h.calls[made].path)
			}
			h.now += 100
			call.OnTick(1)
			if got := h.value(t, "/state").value; string(got) != want {
				t.Errorf("after a tick the state is %x, want the other's %x", got, want)
			}
		})
	}
	reliability.Record(t, reliability.Row{
		Fault:    "a leader stands still until another leads",
		Done:     "the other publishes a policy; then the first gets the answer for which it had waited, before anything else",
		Promised: "the answer is worth nothing: no VM goes back to the policy before",
		Seen:     "as promised",
	})
}
