package policy

// A bootstrap is a snapshot in one piece, for proxies that start while no
// manager can be heard. It is dated, since it is good for a time only, and
// signed for those who know the secret, so that a file of another estate, an
// altered one or one with a newer date written in is not taken for theirs.
//
//	"PGBS", version, number of signatures (1 byte each)
//	when the policy was the current one, Unix milliseconds (8 bytes)
//	signatures (32 bytes each), one for each secret that is valid
//	length of the manifest (4 bytes), the manifest
//	the parts, as the manifest lists them
const (
	bootstrapMagic   = "PGBS"
	bootstrapVersion = 1
	bootstrapPurpose = "partnergate bootstrap\x00"
)

// ErrSignature is what a bootstrap has that was signed with no secret known here.
const ErrSignature Error = "policy: the signature is not of a secret that is known here"

// Bootstrap writes a snapshot as one that was current at date, in Unix
// milliseconds, signed with each of the secrets, at most 255.
func Bootstrap(s *Snapshot, date int64, secrets []string) []byte {
	b := append([]byte(bootstrapMagic), bootstrapVersion, byte(len(secrets)))
	b = appendUint64(b, uint64(date))
	for _, secret := range secrets {
		signature := signBootstrap(secret, date, s.manifest.raw)
		b = append(b, signature[:]...)
	}
	b = append(appendUint32(b, uint32(len(s.manifest.raw))), s.manifest.raw...)
	for i := range s.manifest.Len() {
		b = append(b, s.Part(s.manifest.Entry(i).PartID)...)
	}
	return b
}

// ReadBootstrap reads what Bootstrap wrote with that secret among others; now
// in Unix milliseconds. The snapshot keeps raw.
func ReadBootstrap(raw, secret string, now int64) (s *Snapshot, date int64, err error) {
	r := reader{rest: raw}
	if r.take(4) != bootstrapMagic {
		return nil, 0, ErrMalformed
	}
	if r.uint8() != bootstrapVersion {
		return nil, 0, ErrSchema
	}
	signatures := int(r.uint8())
	date = r.int64()
	signed := r.take(signatures * digestSize)
	manifest := r.take(int(r.uint32()))
	if r.bad {
		return nil, 0, ErrTruncated
	}
	if !signedWith(signed, signBootstrap(secret, date, manifest)) {
		return nil, 0, ErrSignature
	}
	if date > now+MaxClockAhead {
		return nil, 0, ErrFuture
	}
	s, err = readParts(manifest, &r)
	return s, date, err
}

func readParts(manifest string, r *reader) (*Snapshot, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	l := NewLoader(m, nil)
	for i := range m.Len() {
		e := m.Entry(i)
		part := r.take(int(e.Size))
		if r.bad {
			return nil, ErrTruncated
		}
		if err := l.Add(e.PartID, part); err != nil {
			return nil, err
		}
	}
	if !r.done() {
		return nil, ErrMalformed
	}
	return l.Snapshot()
}

func signedWith(signatures string, signature [digestSize]byte) bool {
	for at := 0; at < len(signatures); at += digestSize {
		different := byte(0)
		for i, c := range signature {
			different |= c ^ signatures[at+i]
		}
		if different == 0 {
			return true
		}
	}
	return false
}

// signBootstrap signs the date and the manifest, whose digests vouch for the parts.
func signBootstrap(secret string, date int64, manifest string) [digestSize]byte {
	return hmacDigest(secret, bootstrapPurpose+string(appendUint64(nil, uint64(date)))+manifest)
}

// hmacDigest is HMAC-SHA-256 (RFC 2104).
func hmacDigest(secret, text string) [digestSize]byte {
	if len(secret) > 64 {
		sum := Digest(secret)
		secret = string(sum[:])
	}
	var inner, outer [64]byte
	copy(inner[:], secret)
	copy(outer[:], secret)
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	sum := Digest(string(inner[:]) + text)
	return Digest(string(outer[:]) + string(sum[:]))
}
