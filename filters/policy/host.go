package policy

// CanonicalHost writes the form of a Host header that is looked up: lower
// case, without port and without a trailing dot. It is written to buf, which is
// grown when it is too small: give the slice back for the next call.
func CanonicalHost(host string, buf []byte) []byte {
	host = hostWithoutPort(host)
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	buf = buf[:0]
	for i := 0; i < len(host); i++ {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf = append(buf, c)
	}
	return buf
}

// hostWithoutPort cuts ":8080" off, and leaves an IPv6 literal in its brackets.
func hostWithoutPort(host string) string {
	for i := len(host) - 1; i >= 0; i-- {
		switch c := host[i]; {
		case c == ':':
			return host[:i]
		case c < '0' || c > '9':
			return host
		}
	}
	return host
}
