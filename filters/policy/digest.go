//go:build !wasip1

package policy

import "crypto/sha256"

// Digest is SHA-256.
func Digest(data string) [32]byte { return sha256.Sum256([]byte(data)) }
