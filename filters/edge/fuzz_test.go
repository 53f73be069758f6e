package edge

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/wire"
)

// FuzzParseConfig finds no text that ends the VM, and none that is accepted
// without what must be there.
func FuzzParseConfig(f *testing.F) {
	for _, text := range []string{
		`{"manager": {"cluster": "c", "authority": "a", "token": "t"}, "environment": "sandbox", "max_stale": "1h30m", "mode": "shadow"}`,
		`{"manager": {"cluster": "\u0063", "token_env": "T"}, "rate_limit_headers": "never", "errors_url": "https:\/\/x\/"}`,
		`{}`, `{"manager": {`, `{"a": "\ud800"}`, `[`, `{"manager": {}, "manager": {}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig(text, func(string) string { return "" })
		if err != nil {
			if err.Error() == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		if c.Manager.Cluster == "" || c.Manager.Token == "" || c.MaxStale < 1_000 || strings.ContainsAny(c.Manager.Token, "\r\n") {
			t.Errorf("%q is accepted: %+v", text, c)
		}
	})
}

// FuzzShared reads whatever another plugin may have put under a key of ours.
func FuzzShared(f *testing.F) {
	s := state{serial: 3, contact: 4, generation: 1, away: true}
	f.Add(s.append(nil))
	f.Add((&Edge{}).appendMessage(nil, messageFlush))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, ok := parseState(raw); ok && string(s.append(nil)) != string(raw) && raw[16] < 2 && raw[17] < 2 {
			t.Errorf("%x is read as %+v", raw, s)
		}
		if m, ok := parseMessage(raw); ok {
			g := gather{}
			g.init()
			g.add(m.body, &syncing{touched: map[string]bool{}})
			(&syncing{touched: map[string]bool{}}).want(m.body, 1)
			if kept, err := wire.ParseSync(m.body); err == nil {
				g.recall(0, &kept)
				g.unkept(&wire.Sync{})
			}
		}
	})
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]int64{"24h": 86_400_000, "1h30m": 5_400_000, "90s": 90_000, "1m1s": 61_000} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("%s: %d %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "24", "h", "1d", "-1h", "1.5h", "1h ", "99999999999h", "0s"} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}
