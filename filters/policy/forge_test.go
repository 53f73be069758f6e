package policy

// ForgeManifest makes a manifest that lists one part, whatever bytes it has.
func ForgeManifest(part string) string {
	m := Manifest{Version: 1}
	e := ManifestEntry{PartID: PartID{Table: Table(part[5])}, Size: uint32(len(part)), Digest: Digest(part)}
	if e.Table < NumTables && part[6] <= maxBits {
		m.Bits[e.Table] = part[6]
	}
	return string(appendManifest(&m, []ManifestEntry{e}))
}

// Reseal puts a right digest under a manifest's bytes.
func Reseal(raw string) string {
	if len(raw) < digestSize {
		return raw
	}
	body := raw[:len(raw)-digestSize]
	sum := Digest(body)
	return body + string(sum[:])
}
