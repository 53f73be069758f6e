package policy

import "unicode/utf8"

// CanonicalPath checks a request's path and returns the form that is matched:
// the query cut off, escaped unreserved characters decoded, the hexadecimal
// digits of other escapes in upper case. It returns false for a path that two
// programs could read differently; such a request is refused, whatever the
// proxy did before.
//
// Refused are: a path that does not begin with a slash, an empty segment other
// than the last, a dot segment in any spelling (also with ;parameters), a
// backslash, a fragment, white space, control characters and non-ASCII bytes,
// raw or escaped as what is not UTF-8, escaped slash, backslash, percent sign
// or control, and an escape that is none. See RFC 3986, sections 2.3, 3.3 and 6.2.2.
//
// The path is written to buf, which is grown when it is too small, and is
// never longer than raw: give the slice back for the next call, and nothing is
// allocated.
func CanonicalPath(raw string, buf []byte) (path []byte, ok bool) {
	end, ok := scanPath(raw)
	if !ok {
		return buf[:0], false
	}
	path, ok = decodePath(raw[:end], buf[:0])
	return path, ok && segmentsCanonical(path)
}

// scanPath returns where the query begins; ok is false where a raw byte is not allowed.
func scanPath(raw string) (end int, ok bool) {
	if raw == "" || raw[0] != '/' {
		return 0, false
	}
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '?':
			return i, true
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '#':
			return 0, false
		}
	}
	return len(raw), true
}

// decodePath appends the canonical spelling of raw to buf.
func decodePath(raw string, buf []byte) ([]byte, bool) {
	for i := 0; i < len(raw); {
		if raw[i] != '%' {
			buf = append(buf, raw[i])
			i++
			continue
		}
		c, ok := escaped(raw, i)
		switch {
		case !ok || c < ' ' || c == 0x7f || c == '/' || c == '\\' || c == '%':
			return buf, false
		case c >= utf8.RuneSelf:
			n, ok := escapedRune(raw, i)
			if !ok {
				return buf, false
			}
			buf = appendEscapes(buf, raw[i:i+3*n])
			i += 3 * n
		case unreserved(c):
			buf = append(buf, c)
			i += 3
		default:
			buf = appendEscapes(buf, raw[i:i+3])
			i += 3
		}
	}
	return buf, true
}

// escapedRune reads one escaped rune beyond ASCII and returns its length in bytes.
func escapedRune(raw string, i int) (n int, ok bool) {
	var rune4 [utf8.UTFMax]byte
	for n < len(rune4) {
		c, ok := escaped(raw, i+3*n)
		if !ok {
			break
		}
		rune4[n] = c
		n++
	}
	r, size := utf8.DecodeRune(rune4[:n])
	if r == utf8.RuneError && size <= 1 || r < 0xa0 {
		return 0, false // not UTF-8, or a C1 control
	}
	return size, true
}

// escaped reads the escape at raw[i:].
func escaped(raw string, i int) (byte, bool) {
	if i+2 >= len(raw) || raw[i] != '%' {
		return 0, false
	}
	high, ok1 := hexDigit(raw[i+1])
	low, ok2 := hexDigit(raw[i+2])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// appendEscapes appends escapes with their digits in upper case.
func appendEscapes(buf []byte, escapes string) []byte {
	for i := 0; i < len(escapes); i++ {
		c := escapes[i]
		if 'a' <= c && c <= 'f' {
			c -= 'a' - 'A'
		}
		buf = append(buf, c)
	}
	return buf
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// segmentsCanonical checks a decoded path for empty and dot segments.
func segmentsCanonical(path []byte) bool {
	for i := 1; i <= len(path); {
		end := segmentEnd(path, i)
		if end == i && end < len(path) || dotSegment(path[i:end]) {
			return false
		}
		i = end + 1
	}
	return true
}

// segmentEnd returns where the segment that begins at i ends.
func segmentEnd(path []byte, i int) int {
	for i < len(path) && path[i] != '/' {
		i++
	}
	return i
}

// dotSegment reports "." and "..", also before ;parameters, which some
// servers cut off before they resolve dots.
func dotSegment(segment []byte) bool {
	for i := 0; i < len(segment); i++ {
		if segment[i] == ';' || i+3 <= len(segment) && string(segment[i:i+3]) == "%3B" {
			segment = segment[:i]
			break
		}
	}
	return string(segment) == "." || string(segment) == ".."
}
