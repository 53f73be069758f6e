package policy

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
)

func TestHMACIsTheStandardOne(t *testing.T) {
	for _, n := range []int{0, 1, 32, 63, 64, 65, 200} {
		secret := strings.Repeat("s", n)
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte("text"))
		if got := hmacDigest(secret, "text"); string(got[:]) != string(m.Sum(nil)) {
			t.Errorf("a secret of %d bytes gives another code", n)
		}
	}
}
