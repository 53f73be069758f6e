package policy

import "hash/crc32"

// An API key is pgk_<environment>_<public id>_<secret><checksum>.
const (
	KeyPrefix         = "pgk_"
	KeyIDLength       = 12 // characters of KeyIDAlphabet
	KeySecretLength   = 32 // characters of KeyAlphabet: 190 bits
	KeyChecksumLength = 6  // characters of KeyAlphabet
	MinImportedKey    = 8  // bytes of a key of another form, which was imported
	MaxImportedKey    = 256
	KeyIDAlphabet     = "abcdefghijklmnopqrstuvwxyz234567"
	KeyAlphabet       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// CredentialKind is the type of a credential; the lookup of the snapshot is typed by it.
type CredentialKind uint8

// The kinds. Only API keys are read from requests so far; the others have
// their place in the snapshot.
const (
	APIKey CredentialKind = iota + 1
	ClientCertificate
	JWTSubject
	OAuthClient
	lastCredentialKind = OAuthClient
)

// ParseKey splits a well-formed API key; ok is false where the form or the
// checksum is wrong, so that no lookup is spent on it. The parts are views of key.
func ParseKey(key string) (environment, id string, ok bool) {
	const tail = KeySecretLength + KeyChecksumLength
	rest := len(key) - len(KeyPrefix) - tail - KeyIDLength - 2
	if rest < 1 || rest > MaxName || key[:len(KeyPrefix)] != KeyPrefix {
		return "", "", false
	}
	environment = key[len(KeyPrefix) : len(KeyPrefix)+rest]
	idAt := len(KeyPrefix) + rest + 1
	id = key[idAt : idAt+KeyIDLength]
	if key[idAt-1] != '_' || key[idAt+KeyIDLength] != '_' || !nameCharacters(environment) {
		return "", "", false
	}
	body := len(key) - KeyChecksumLength
	sum := KeyChecksum(key[:body])
	return environment, id, string(sum[:]) == key[body:]
}

// KeyChecksum computes the checksum of all of a key that stands before it.
func KeyChecksum(body string) (sum [KeyChecksumLength]byte) {
	crc := ^uint32(0)
	for i := 0; i < len(body); i++ {
		crc = crc32.IEEETable[byte(crc)^body[i]] ^ crc>>8
	}
	crc = ^crc
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] = KeyAlphabet[crc%uint32(len(KeyAlphabet))]
		crc /= uint32(len(KeyAlphabet))
	}
	return sum
}

// KeyDigest is what is stored of an API key: its SHA-256.
func KeyDigest(key string) [32]byte { return Digest(key) }

func nameCharacters(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
