//go:build !wasip1

package edge_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/proxywasm"
	"github.com/partnergate/partnergate/filters/wire"
)

// depose has another VM lead, which is not heard of again, and returns the
// number of the last batch, which is acknowledged.
func (h *nativeHost) depose(t *testing.T, call proxywasm.Callbacks) (sequence uint64) {
	t.Helper()
	claim := h.value(t, "/leader").value
	copy(claim, "another VM's one")
	binary.LittleEndian.PutUint64(claim[16:], h.now)
	call.OnTick(1)
	batch := h.value(t, "/batch")
	batch.value = batch.value[:9]
	batch.value[8] = 0
	return binary.LittleEndian.Uint64(batch.value)
}

// keep puts rows where a leader keeps what it gathers behind a batch.
func (h *nativeHost) keep(t *testing.T, shard int, sequence uint64, rows []wire.Usage) {
	t.Helper()
	prefix := ""
	for key := range h.shared {
		if name, ok := strings.CutSuffix(key, "leader"); ok {
			prefix = name
		}
	}
	value := binary.LittleEndian.AppendUint64(nil, sequence)
	h.SetSharedData(fmt.Sprintf("%sgathered/%d", prefix, shard), (&wire.Sync{Usage: rows}).Append(value), 0)
}

// takeOver lets the other's heartbeat be lost, and returns the batch that the VM
// makes then.
func (h *nativeHost) takeOver(t *testing.T, call proxywasm.Callbacks) wire.Sync {
	t.Helper()
	h.now += 3500
	made := len(h.calls)
	for range 3 {
		call.OnTick(1)
		h.now += 100
	}
	for _, c := range h.calls[made:] {
		if c.path != wire.SyncPath {
			continue
		}
		m, err := wire.ParseSync(c.body)
		if err != nil {
			t.Fatal("the batch of the next leader:", err)
		}
		return m
	}
	t.Fatal("the next leader made no batch")
	return wire.Sync{}
}

// TestSuccessorOfAFullLeader has a leader die that had gathered as many kinds of
// usage as a batch may have, while requests of other kinds are counted. The next
// one's batch is one that the manager takes.
func TestSuccessorOfAFullLeader(t *testing.T) {
	h, call := nativeVM(t, "partnergate", newStub(estate(1)))
	sequence := h.depose(t, call)
	const shards = 40
	for shard := range shards {
		rows := make([]wire.Usage, wire.MaxUsage/shards)
		for i := range rows {
			rows[i] = wire.Usage{Minute: 1, Partner: fmt.Sprintf("p%d-%d", shard, i), Outcome: "admitted", Count: 1}
		}
		h.keep(t, shard, sequence, rows)
	}
	h.request = [][2]string{{":authority", sandboxHost}, {":path", "/v1/pay"}, {":method", "GET"}, {":scheme", "http"}}
	h.stream(call, 7) // credential_missing
	m := h.takeOver(t, call)
	if len(m.Usage) != wire.MaxUsage {
		t.Errorf("the batch has %d rows, want %d", len(m.Usage), wire.MaxUsage)
	}
}
