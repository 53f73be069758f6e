//go:build !wasip1

package edge_test

import (
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/corpus"
)

// TestCorpusNatively puts every odd request through the filters compiled
// natively, as a listener does that changes nothing, and as the filters see it
// behind one that normalises.
func TestCorpusNatively(t *testing.T) {
	h, call := nativeVM(t, "corpus", newStub(estate(1)))
	id := uint32(1)
	decide := func(c *corpus.Case, target string) uint32 {
		h.request = nativeHeaders(c, target)
		h.status = 200 // of a request that nobody answers before the upstream
		id++
		h.stream(call, id)
		return h.status
	}
	for _, c := range corpus.Cases() {
		if got := decide(&c, c.Target); got != uint32(c.Raw.Status) {
			t.Errorf("%s: %d, want %d", c.Name, got, c.Raw.Status)
		}
		if c.Normalized != "" {
			if got := decide(&c, c.Normalized); got != uint32(c.Hard.Status) {
				t.Errorf("%s, normalised: %d, want %d", c.Name, got, c.Hard.Status)
			}
		}
		if got := decide(&corpus.Good, corpus.Good.Target); got != 200 {
			t.Fatalf("the next after %s: %d", c.Name, got)
		}
	}
}

func nativeHeaders(c *corpus.Case, target string) [][2]string {
	r := fromCorpus(c, target)
	host, path := r.Host, r.RequestURI
	if rest, absolute := strings.CutPrefix(path, "http://"); absolute { // a listener splits it (RFC 9112, section 3.2.2)
		host, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	pairs := [][2]string{{":authority", host}, {":path", path}, {":method", r.Method}, {":scheme", "http"}}
	for _, header := range c.Headers {
		pairs = append(pairs, [2]string{header.Name, corpus.Fill(header.Value, keys)})
	}
	return pairs
}
