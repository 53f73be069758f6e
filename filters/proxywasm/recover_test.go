//go:build !wasip1

package proxywasm

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

func panicking() types.Action { panic("boom") }

func TestPanicsOfAStreamAreAnsweredWith500(t *testing.T) {
	s := &scriptedHTTP{requestHeaders: panicking, responseHeaders: panicking, trailers: panicking}
	for callback, run := range map[string]func(Callbacks) types.Action{
		"proxy_on_request_headers":  func(c Callbacks) types.Action { return c.OnRequestHeaders(2, 0, true) },
		"proxy_on_request_trailers": func(c Callbacks) types.Action { return c.OnRequestTrailers(2, 0) },
		"proxy_on_response_headers": func(c Callbacks) types.Action { return c.OnResponseHeaders(2, 0, true) },
	} {
		h, call := newStream(s)
		if run(call) != types.ActionPause {
			t.Errorf("%s: the stream went on", callback)
		}
		if len(h.replies) != 1 || h.replies[0].status != 500 || h.replies[0].grpc != -1 {
			t.Errorf("%s: replies %+v", callback, h.replies)
		}
		if Panics() != 1 || !strings.Contains(h.logs[0], callback+" panicked: boom\n") {
			t.Errorf("%s: %d panics, logged %q", callback, Panics(), h.logs)
		}
	}
}

func TestTheNextRequestAfterAPanicIsRight(t *testing.T) {
	s := &scriptedHTTP{requestHeaders: panicking}
	h, call := newStream(s)
	h.headers[uint32(requestHeaders)] = [][2]string{{":path", "/a"}}
	call.OnRequestHeaders(2, 1, true)
	s.requestHeaders = func() types.Action {
		path, err := GetHttpRequestHeader(":path")
		check(t, err)
		if path != "/a" || vm.depth != 1 || vm.active != 2 {
			t.Errorf("path %q, depth %d, active %d", path, vm.depth, vm.active)
		}
		return types.ActionContinue
	}
	if call.OnRequestHeaders(2, 1, true) != types.ActionContinue || vm.depth != 0 {
		t.Error("the VM did not recover")
	}
}

func TestThePanicHandlerAnswers(t *testing.T) {
	h, call := newStream(&scriptedHTTP{requestHeaders: panicking})
	SetPanicHandler(func(contextID uint32, callback string) {
		check(t, SendHttpResponse(500, [][2]string{{"content-type", "application/problem+json"}}, []byte(callback), 13))
	})
	call.OnRequestHeaders(2, 0, true)
	if len(h.replies) != 1 || h.replies[0].body != "proxy_on_request_headers" || h.replies[0].grpc != 13 {
		t.Errorf("replies %+v", h.replies)
	}
}

func TestAPanicHandlerThatFailsIsReplaced(t *testing.T) {
	for name, handler := range map[string]func(uint32, string){
		"silent":    func(uint32, string) {},
		"panicking": func(uint32, string) { panic(errors.New("again")) },
	} {
		h, call := newStream(&scriptedHTTP{requestHeaders: panicking})
		SetPanicHandler(handler)
		if call.OnRequestHeaders(2, 0, true) != types.ActionPause || len(h.replies) != 1 || h.replies[0].status != 500 {
			t.Errorf("%s: replies %+v", name, h.replies)
		}
	}
}

func TestARequestThatWasAnsweredIsNotAnsweredTwice(t *testing.T) {
	h, call := newStream(&scriptedHTTP{requestHeaders: func() types.Action {
		check(t, SendHttpResponse(403, nil, nil, -1))
		panic("after the answer")
	}})
	call.OnRequestHeaders(2, 0, true)
	if len(h.replies) != 1 || h.replies[0].status != 403 {
		t.Errorf("replies %+v", h.replies)
	}
}

func TestARequestThatCannotBeAnsweredIsNotLetThrough(t *testing.T) {
	h, call := newStream(&scriptedHTTP{requestHeaders: panicking, responseHeaders: panicking})
	h.refuse = StatusBadArgument
	if call.OnRequestHeaders(2, 0, true) != types.ActionPause {
		t.Error("the request went on")
	}
	if call.OnResponseHeaders(2, 0, true) != types.ActionContinue {
		t.Error("the response hangs")
	}
}

func TestAStreamWhoseContextFailedIsRefused(t *testing.T) {
	for name, newHTTP := range map[string]func(uint32) types.HttpContext{
		"nil":       func(uint32) types.HttpContext { return nil },
		"panicking": func(uint32) types.HttpContext { panic("no context") },
	} {
		h, call := newVM(&scripted{newHTTP: newHTTP})
		call.OnContextCreate(2, 1)
		if len(h.replies) != 0 {
			t.Errorf("%s: answered before there was a request", name)
		}
		if call.OnRequestHeaders(2, 0, true) != types.ActionPause || len(h.replies) != 1 {
			t.Errorf("%s: replies %+v", name, h.replies)
		}
		call.OnLog(2)
		call.OnDelete(2)
	}
}

func TestAPluginWhoseContextFailedRefusesItsStreams(t *testing.T) {
	SetPluginContext(func(uint32) types.PluginContext { panic("no plugin") })
	h := newFakeHost()
	SetPanicHandler(nil)
	call := Attach(h)
	call.OnContextCreate(1, 0)
	if !call.OnVMStart(1, 0) || !call.OnConfigure(1, 0) {
		t.Error("the host was told")
	}
	call.OnContextCreate(2, 1)
	if call.OnRequestHeaders(2, 0, true) != types.ActionPause || len(h.replies) != 1 {
		t.Errorf("replies %+v", h.replies)
	}
}

func TestPanicsOfPluginsAnswerNobody(t *testing.T) {
	p := &scripted{tick: func() { panic("tick") }, queueReady: func(uint32) { panic("queue") }}
	h, call := newVM(p)
	call.OnTick(1)
	call.OnQueueReady(1, 5)
	if len(h.replies) != 0 || Panics() != 2 {
		t.Errorf("replies %+v, %d panics", h.replies, Panics())
	}
}

// The callback of a stream's call panics while another stream is the effective context.
func TestThePanicOfACallIsAnsweredInItsOwnStream(t *testing.T) {
	h, call := newStream(&scriptedHTTP{requestHeaders: func() types.Action {
		_, err := DispatchHttpCall("manager", nil, nil, nil, 1, func(int, int, int) {
			check(t, SetEffectiveContext(3))
			check(t, SendHttpResponse(429, nil, nil, -1))
			panic("in the answer")
		})
		check(t, err)
		return types.ActionPause
	}})
	h.contexts[3] = true
	call.OnRequestHeaders(2, 0, true)
	call.OnHTTPCallResponse(1, 1, 0, 0, 0)
	want := []fakeReply{{context: 3, status: 429, grpc: -1}, {context: 2, status: 500, grpc: -1}}
	if !slices.EqualFunc(h.replies, want, func(a, b fakeReply) bool { return a.context == b.context && a.status == b.status }) {
		t.Errorf("replies %+v", h.replies)
	}
}

func TestStacksAreLoggedForTheFirstPanicsOnly(t *testing.T) {
	h, call := newStream(&scriptedHTTP{requestHeaders: panicking})
	for range 2 * loggedStacks {
		call.OnRequestHeaders(2, 0, true)
	}
	stacks := 0
	for _, message := range h.logs {
		if strings.Contains(message, "goroutine ") {
			stacks++
		}
	}
	if len(h.logs) != 2*loggedStacks || stacks != loggedStacks {
		t.Errorf("%d messages, %d stacks", len(h.logs), stacks)
	}
}
