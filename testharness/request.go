package testharness

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// requestHeaders presents a request as Envoy presents it to its filters: the
// pseudo-headers, then the headers in lower case, then what Envoy adds.
// http.Header has no order between names, so they are sorted; the values of
// one name keep their order.
func requestHeaders(r *http.Request) (*headerMap, error) {
	authority, path := requestTarget(r)
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	h, scheme := newRequestHeaders(), schemeOf(r)
	h.pairs = []pair{{":authority", authority}, {":path", path}, {":method", method}, {":scheme", scheme}}
	for _, name := range sortedNames(r.Header) {
		lower := strings.ToLower(name)
		for _, value := range r.Header[name] {
			if !keptFrom(r, lower, value) {
				continue
			}
			if strings.ContainsAny(name+value, "\r\n\x00") || name == "" || strings.HasPrefix(name, ":") {
				return nil, fmt.Errorf("request header %q: %q cannot be sent", name, value)
			}
			h.add(lower, value)
		}
	}
	if _, ok := h.get("content-length"); !ok && r.ContentLength > 0 {
		h.add("content-length", strconv.FormatInt(r.ContentLength, 10))
	}
	if h.value("x-forwarded-proto") == "" {
		h.set("x-forwarded-proto", scheme)
	}
	if h.value("x-request-id") == "" {
		h.set("x-request-id", newUUID())
	}
	return h, nil
}

// schemeOf is the request's scheme; a client may claim another in
// x-forwarded-proto, as it may with Envoy's default settings.
func schemeOf(r *http.Request) string {
	if claimed := r.Header.Get("X-Forwarded-Proto"); claimed == "http" || claimed == "https" {
		return claimed
	}
	if r.TLS != nil || r.URL != nil && r.URL.Scheme == "https" {
		return "https"
	}
	return "http"
}

func sortedNames(header http.Header) []string {
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// requestTarget finds :authority and :path. A RequestURI is taken byte for
// byte, but for the absolute form, which Envoy's codec takes apart
// (allow_absolute_url, on by default).
func requestTarget(r *http.Request) (authority, path string) {
	authority = r.Host
	if authority == "" && r.URL != nil {
		authority = r.URL.Host
	}
	path = r.RequestURI
	if path == "" && r.URL != nil {
		return authority, r.URL.RequestURI()
	}
	for _, scheme := range []string{"http://", "https://"} {
		if len(path) > len(scheme) && strings.EqualFold(path[:len(scheme)], scheme) {
			host, rest := path[len(scheme):], "/"
			if i := strings.IndexAny(host, "/?"); i >= 0 {
				host, rest = host[:i], host[i:]
			}
			if !strings.HasPrefix(rest, "/") {
				rest = "/" + rest
			}
			return host, rest
		}
	}
	return authority, path
}

// newUUID makes a random UUID (version 4), as Envoy's request ids are.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// httpRequest builds the request that an upstream or a cluster gets from the
// headers that a guest left or gave.
func httpRequest(h *headerMap, remote string) *http.Request {
	path := h.value(":path")
	r := &http.Request{
		Method: h.value(":method"), Host: h.value(":authority"), RequestURI: path,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, RemoteAddr: remote, ContentLength: -1,
	}
	var err error
	if r.URL, err = url.ParseRequestURI(path); err != nil {
		p, query, _ := strings.Cut(path, "?")
		r.URL = &url.URL{Path: p, RawQuery: query}
	}
	for _, p := range h.pairs {
		if !strings.HasPrefix(p.name, ":") {
			r.Header.Add(p.name, p.value)
		}
	}
	if n, err := strconv.ParseInt(h.value("content-length"), 10, 64); err == nil && n >= 0 {
		r.ContentLength = n
	}
	return r
}

// missing is the first of some headers that is not there, or nothing.
func (h *headerMap) missing(names ...string) string {
	for _, name := range names {
		if h.value(name) == "" {
			return name
		}
	}
	return ""
}

// headersFromHTTP presents response headers to filters: :status, then the
// headers in lower case, sorted by name.
func headersFromHTTP(status int, header http.Header) *headerMap {
	h := newResponseHeaders()
	h.add(":status", strconv.Itoa(status))
	for _, name := range sortedNames(header) {
		if name == "Connection" || name == "Keep-Alive" { // the connection's own
			continue
		}
		for _, value := range header[name] {
			h.add(name, value)
		}
	}
	return h
}

// header turns headers into an http.Header, without the pseudo-headers.
func (h *headerMap) header() http.Header {
	header := http.Header{}
	if h == nil {
		return header
	}
	for _, p := range h.pairs {
		if !strings.HasPrefix(p.name, ":") {
			header.Add(p.name, p.value)
		}
	}
	return header
}
