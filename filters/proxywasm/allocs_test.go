//go:build !wasip1

package proxywasm

import (
	"errors"
	"testing"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// TestTheRequestPathAllocatesNothing runs whole streams, from creation to deletion, with all that a
// filter asks of the host on the way.
func TestTheRequestPathAllocatesNothing(t *testing.T) {
	var free []*scriptedHTTP
	headers := [][2]string{{"content-type", "application/problem+json"}, {"retry-after", "1"}}
	body := []byte(`{"title": "refused"}`)
	var count [8]byte // outside: a native host is an interface, and what it is given escapes
	request := func() types.Action {
		list, _ := GetHttpRequestHeaders()
		again, _ := GetHttpRequestHeaders()
		path, err := GetHttpRequestHeader(":path")
		if len(list) != 3 || len(again) != 3 || path != "/a" || err != nil {
			t.Fatalf("headers %q, path %q, error %v", list, path, err)
		}
		value, cas, _ := GetSharedData("count")
		copy(count[:], value)
		count[0]++
		if SetSharedData("count", count[:], cas) != nil || SetPropertyString("decision", path) != nil {
			t.Fatal("the host refused")
		}
		if _, err := GetProperty("missing"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		_ = SendHttpResponse(429, headers, body, -1) // the host refuses it: keeping it would allocate
		return types.ActionContinue
	}
	p := &scripted{newHTTP: func(uint32) types.HttpContext {
		if last := len(free) - 1; last >= 0 {
			s := free[last]
			free = free[:last]
			return s
		}
		s := &scriptedHTTP{requestHeaders: request}
		s.recycle = func() { free = append(free, s) }
		return s
	}}
	h, call := newVM(p)
	h.headers[uint32(requestHeaders)] = [][2]string{{":path", "/a"}, {"x", "1"}, {"x", "2"}}
	h.shared["count"] = &sharedValue{make([]byte, 8), 1}
	h.properties["decision"] = make([]byte, 8)
	h.refuse = StatusBadArgument
	id := uint32(1)
	perStream := testing.AllocsPerRun(2000, func() {
		id++
		call.OnContextCreate(id, 1)
		call.OnRequestHeaders(id, 3, true)
		call.OnResponseHeaders(id, 1, true)
		call.OnDone(id)
		call.OnLog(id)
		call.OnDelete(id)
	})
	if perStream > 0 {
		t.Errorf("%v allocations a stream", perStream)
	}
}
