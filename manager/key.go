package manager

import (
	"crypto/rand"

	"github.com/partnergate/partnergate/filters/policy"
)

// newKey draws a key of an environment: its text, which is kept nowhere, its
// digest and its public id.
func newKey(environment string) (key string, digest [32]byte, id string) {
	id = randomText(policy.KeyIDLength, policy.KeyIDAlphabet)
	key = policy.KeyPrefix + environment + "_" + id + "_" + randomText(policy.KeySecretLength, policy.KeyAlphabet)
	sum := policy.KeyChecksum(key)
	key += string(sum[:])
	return key, policy.KeyDigest(key), id
}

// randomText draws n characters of an alphabet, each equally likely.
func randomText(n int, alphabet string) string {
	fair := 256 - 256%len(alphabet) // bytes from here on would favour the first characters
	text := make([]byte, 0, n)
	var draw [64]byte
	for {
		_, _ = rand.Read(draw[:]) // crypto/rand.Read never fails
		for _, b := range draw {
			if int(b) < fair {
				if text = append(text, alphabet[int(b)%len(alphabet)]); len(text) == n {
					return string(text)
				}
			}
		}
	}
}
