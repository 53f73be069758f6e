package policy_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// TestDigestIsSHA256 matters in wasm, where Digest is code of our own; every part that a proxy loads in the tests of package edge proves it there.
func TestDigestIsSHA256(t *testing.T) {
	for n := range 300 {
		text := strings.Repeat("a\xffz7", n)[:n]
		if policy.Digest(text) != sha256.Sum256([]byte(text)) {
			t.Errorf("%d bytes have another digest", n)
		}
	}
}
