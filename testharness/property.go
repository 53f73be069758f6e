package testharness

import (
	"encoding/binary"
	"net"
	"strconv"
	"strings"
)

// hostGetProperty reads a property by its path, whose parts are separated by
// NULs (Context::getProperty).
func hostGetProperty(v *vm, p params) status {
	path, ok := v.readString(p.u32(0), p.u32(1))
	if !ok {
		return statusInvalidMemoryAccess
	}
	if path == "" {
		return statusSerializationFailure
	}
	value, found := v.effective().property(strings.Split(strings.TrimSuffix(path, "\x00"), "\x00"))
	if !found {
		return statusNotFound
	}
	return v.hand(value, p.u32(2), p.u32(3))
}

// hostSetProperty writes filter state wasm.<path> on the stream, which later
// filters read as property <path>. A root context has no stream to write to.
func hostSetProperty(v *vm, p params) status {
	path, ok1 := v.readString(p.u32(0), p.u32(1))
	value, ok2 := v.read(p.u32(2), p.u32(3))
	if !ok1 || !ok2 {
		return statusInvalidMemoryAccess
	}
	s := v.effective().stream
	if s == nil {
		return statusNotFound
	}
	s.info.filterState["wasm."+path] = value
	return statusOK
}

// property looks a path up. The attributes are those of Envoy's CEL
// activation; numbers are 8 bytes, little-endian (serializeValue). Those of a
// stream are not found in a root context.
func (c *guestContext) property(path []string) ([]byte, bool) {
	switch path[0] {
	case "plugin_name":
		return leaf(path, c.filter.name)
	case "plugin_root_id":
		return leaf(path, c.filter.rootID)
	case "plugin_vm_id":
		return leaf(path, c.filter.vmID)
	}
	if len(path) == 3 && path[0] == "xds" && path[1] == "node" {
		return c.nodeProperty(path[2])
	}
	if c.stream == nil {
		return nil, false
	}
	return c.streamProperty(path)
}

// nodeProperty is found in root contexts too. In Envoy 1.40 it is below xds
// only: node.id of older versions is not found.
func (c *guestContext) nodeProperty(name string) ([]byte, bool) {
	switch config := c.vm.thread.proxy.config; name {
	case "id":
		return []byte(config.nodeID), true
	case "cluster":
		return []byte(config.cluster), true
	}
	return nil, false
}

func (c *guestContext) streamProperty(path []string) ([]byte, bool) {
	s := c.stream
	switch path[0] {
	case "request":
		return c.requestProperty(path[1:])
	case "response":
		return c.responseProperty(path[1:])
	case "source":
		return addressProperty(path[1:], s.info.source)
	case "destination":
		return addressProperty(path[1:], s.info.destination)
	case "connection":
		return connectionProperty(path[1:], s)
	case "connection_id":
		return number(s.info.id), len(path) == 1
	case "xds":
		return xdsProperty(path[1:], s)
	case "filter_state":
		if len(path) != 2 {
			return nil, false
		}
		value, ok := s.info.filterState[path[1]]
		return value, ok
	}
	if len(path) != 1 {
		return nil, false
	}
	value, ok := s.info.filterState["wasm."+path[0]]
	return value, ok
}

// requestProperty is found only while the request headers can be read, but for
// what the stream knows of itself (RequestWrapper in Envoy's expr/context.cc).
func (c *guestContext) requestProperty(path []string) ([]byte, bool) {
	if len(path) == 0 {
		return nil, false
	}
	info := &c.stream.info
	switch path[0] {
	case "protocol":
		return leaf(path, info.protocol)
	case "time":
		return number(uint64(info.start.UnixNano())), true
	case "size":
		return number(uint64(info.received)), true
	case "duration":
		if info.end.IsZero() {
			return nil, false
		}
		return number(uint64(info.end.Sub(info.start))), true
	}
	h := c.readableMap(mapRequestHeaders)
	if h == nil {
		return nil, false
	}
	return headerProperty(path, h)
}

// requestAttributes are the headers behind the attributes of a request.
var requestAttributes = map[string]string{
	"path": ":path", "host": ":authority", "scheme": ":scheme", "method": ":method",
	"referer": "referer", "useragent": "user-agent", "id": "x-request-id",
}

func headerProperty(path []string, h *headerMap) ([]byte, bool) {
	switch path[0] {
	case "headers":
		return headersProperty(path[1:], h)
	case "url_path":
		p, _, _ := strings.Cut(h.value(":path"), "?")
		return leaf(path, p)
	case "query":
		_, query, _ := strings.Cut(h.value(":path"), "?")
		return leaf(path, query)
	}
	name, ok := requestAttributes[path[0]]
	if !ok {
		return nil, false
	}
	value, ok := h.get(name)
	return []byte(value), ok && len(path) == 1
}

func (c *guestContext) responseProperty(path []string) ([]byte, bool) {
	if len(path) == 0 {
		return nil, false
	}
	info := &c.stream.info
	switch path[0] {
	case "code":
		return number(uint64(info.code)), info.code != 0
	case "code_details":
		return []byte(info.codeDetails), info.codeDetails != ""
	case "size":
		return number(uint64(info.sent)), true
	case "flags":
		return number(0), true
	}
	kind := map[string]uint32{"headers": mapResponseHeaders, "trailers": mapResponseTrailers}
	k, ok := kind[path[0]]
	if !ok {
		return nil, false
	}
	h := c.readableMap(k)
	if h == nil {
		return nil, false
	}
	return headersProperty(path[1:], h)
}

// headersProperty is all headers as pairs, or one of them: its values with
// commas between.
func headersProperty(path []string, h *headerMap) ([]byte, bool) {
	switch len(path) {
	case 0:
		return marshalPairs(h.pairs), true
	case 1:
		var values []string
		for _, p := range h.pairs {
			if p.name == strings.ToLower(path[0]) {
				values = append(values, p.value)
			}
		}
		return []byte(strings.Join(values, ",")), len(values) > 0
	}
	return nil, false
}

func addressProperty(path []string, address string) ([]byte, bool) {
	if len(path) != 1 {
		return nil, false
	}
	switch path[0] {
	case "address":
		return []byte(address), true
	case "port":
		_, port, err := net.SplitHostPort(address)
		n, numberErr := strconv.ParseUint(port, 10, 16)
		return number(n), err == nil && numberErr == nil
	}
	return nil, false
}

func connectionProperty(path []string, s *stream) ([]byte, bool) {
	if len(path) != 1 {
		return nil, false
	}
	switch path[0] {
	case "id":
		return number(s.info.id), true
	case "mtls":
		return []byte{0}, true
	}
	return nil, false
}

func xdsProperty(path []string, s *stream) ([]byte, bool) {
	if len(path) != 1 {
		return nil, false
	}
	switch path[0] {
	case "cluster_name":
		return []byte(s.info.cluster), true
	case "route_name":
		return []byte(s.info.route), true
	}
	return nil, false
}

// leaf is a string that has no parts.
func leaf(path []string, value string) ([]byte, bool) { return []byte(value), len(path) == 1 }

func number(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
