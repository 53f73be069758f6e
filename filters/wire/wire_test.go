package wire_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/partnergate/partnergate/filters/wire"
)

var (
	proxy = wire.ProxyID{Node: "edge-1", Nonce: [16]byte{1, 2, 3}}
	watch = wire.Watch{Proxy: proxy, Schema: 1, Lineage: [16]byte{9}, Version: 7, Digest: [32]byte{8}, Wait: 1000}
	sync  = wire.Sync{
		Proxy: proxy, Sequence: 3, PolicyVersion: 7, PolicyAge: 1200, Dropped: 4,
		Usage:    []wire.Usage{{Minute: 30_000_000, Partner: "acme", Application: "checkout", Product: "payments", Environment: "sandbox", Operation: "getPay", Outcome: "admitted", Count: 12}},
		Requests: []wire.Request{{Time: 1_800_000_000_000, RequestID: "r-1", Partner: "acme", Outcome: "limit_exceeded", Limit: "monthly", Method: "GET", Path: "/v1/pay", Status: 429, PolicyVersion: 7}},
		Reports:  []wire.Report{{ID: "acme/s/l/rate-second", Wanted: true, Epoch: 2, Given: 5, WindowEnd: 6, Tokens: 7, InFlight: 8, Demand: 9, Spent: 10}},
	}
	reply = wire.SyncReply{
		Sequence: 3, Forget: []string{"acme/old/l/rate-second"},
		Grants: []wire.Grant{{ID: "acme/s/l/rate-second", Epoch: 3, Rate: 1, Burst: 2, Level: 3, Slots: 4, Tokens: 5, Recall: true, WindowEnd: 6, Left: 7, Spent: true}},
	}
)

func TestRoundTrip(t *testing.T) {
	check(t, "Watch", watch, watch.Append, wire.ParseWatch)
	watchReply := wire.WatchReply{Manifest: "m", SyncNow: true}
	check(t, "WatchReply", watchReply, watchReply.Append, wire.ParseWatchReply)
	parts := wire.Parts{Digests: [][32]byte{{1}, {2}}}
	check(t, "Parts", parts, parts.Append, wire.ParseParts)
	partsReply := wire.PartsReply{Parts: []string{"a", "", "c"}}
	check(t, "PartsReply", partsReply, partsReply.Append, wire.ParsePartsReply)
	check(t, "Sync", sync, sync.Append, wire.ParseSync)
	check(t, "SyncReply", reply, reply.Append, wire.ParseSyncReply)
}

// check sends a message through bytes, and sees every cut of them refused.
func check[M any](t *testing.T, name string, m M, encode func([]byte) []byte, decode func(string) (M, error)) {
	t.Helper()
	raw := string(encode(nil))
	got, err := decode(raw)
	if diff := cmp.Diff(m, got); err != nil || diff != "" {
		t.Errorf("%s: %v\n%s", name, err, diff)
	}
	for cut := range raw {
		if _, err := decode(raw[:cut]); err == nil {
			t.Fatalf("%s cut at %d is understood", name, cut)
		}
	}
	if _, err := decode(raw + "x"); err == nil {
		t.Errorf("%s with a byte more is understood", name)
	}
	if _, err := decode("\x63" + raw[1:]); !errors.Is(err, wire.ErrVersion) {
		t.Errorf("%s of another version: %v", name, err)
	}
}

func TestListsAreBounded(t *testing.T) {
	long := wire.Parts{Digests: make([][32]byte, wire.MaxPartsAsk+1)}
	if _, err := wire.ParseParts(string(long.Append(nil))); !errors.Is(err, wire.ErrTooMany) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(sync.Append(nil)))
	f.Add(string(reply.Append(nil)))
	f.Add(string(watch.Append(nil)))
	f.Fuzz(func(t *testing.T, raw string) {
		if m, err := wire.ParseSync(raw); err == nil && string(m.Append(nil)) != raw {
			t.Error("a Sync does not come back")
		}
		if m, err := wire.ParseSyncReply(raw); err == nil && string(m.Append(nil)) != raw {
			t.Error("a SyncReply does not come back")
		}
		if m, err := wire.ParseWatch(raw); err == nil && string(m.Append(nil)) != raw {
			t.Error("a Watch does not come back")
		}
		_, _ = wire.ParseWatchReply(raw)
		_, _ = wire.ParseParts(raw)
		_, _ = wire.ParsePartsReply(raw)
	})
}
