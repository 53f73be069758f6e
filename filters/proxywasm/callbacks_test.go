//go:build !wasip1

package proxywasm

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

func TestHeadersShowDuplicates(t *testing.T) {
	want := [][2]string{{":path", "/a"}, {"x-api-key", "1"}, {"x-api-key", "2"}}
	var got [][2]string
	var first string
	h, call := newStream(&scriptedHTTP{requestHeaders: func() types.Action {
		list, err := GetHttpRequestHeaders()
		check(t, err)
		got = copiedList(list)
		value, err := GetHttpRequestHeader("x-api-key")
		check(t, err)
		first = strings.Clone(value)
		check(t, RemoveHttpRequestHeader("x-api-key"))
		check(t, AddHttpRequestHeader("x-partner-id", "acme"))
		check(t, ReplaceHttpRequestHeader("x-partner-id", "other"))
		return types.ActionContinue
	}})
	h.headers[uint32(requestHeaders)] = slices.Clone(want)
	if call.OnRequestHeaders(2, 3, true) != types.ActionContinue {
		t.Error("the request did not go on")
	}
	if !slices.Equal(got, want) || first != "1" {
		t.Errorf("got %q, first %q", got, first)
	}
	if left := h.headers[uint32(requestHeaders)]; !slices.Equal(left, [][2]string{{":path", "/a"}, {"x-partner-id", "other"}}) {
		t.Errorf("left %q", left)
	}
}

func TestMemoryIsReusedWhenTheOutermostCallbackReturns(t *testing.T) {
	var at []*byte
	nested := func() {}
	s := &scriptedHTTP{requestHeaders: func() types.Action {
		path, _ := GetHttpRequestHeader(":path")
		nested()
		if path != "/a" {
			t.Errorf("a nested callback changed the view to %q", path)
		}
		at = append(at, &ViewBytes(path)[0])
		return types.ActionContinue
	}}
	h, call := newStream(s)
	h.headers[uint32(requestHeaders)] = [][2]string{{":path", "/a"}}
	call.OnRequestHeaders(2, 1, true)
	nested = func() {
		h.headers[uint32(responseHeaders)] = [][2]string{{":status", "200"}}
		call.OnResponseHeaders(2, 1, true)
	}
	s.responseHeaders = func() types.Action {
		_, err := GetHttpResponseHeader(":status")
		check(t, err)
		return types.ActionContinue
	}
	call.OnRequestHeaders(2, 1, true)
	if at[0] != at[1] {
		t.Error("the second request used other memory than the first")
	}
}

func TestViewsEndWithTheCallback(t *testing.T) {
	var kept string
	h, call := newStream(&scriptedHTTP{requestHeaders: func() types.Action {
		var err error
		kept, err = GetHttpRequestHeader(":path")
		check(t, err)
		return types.ActionContinue
	}})
	h.headers[uint32(requestHeaders)] = [][2]string{{":path", "/a"}}
	call.OnRequestHeaders(2, 1, true)
	if kept != "!!" {
		t.Errorf("a view that was kept is %q", kept)
	}
}

func TestContextsAreRecycledOnceAtDelete(t *testing.T) {
	recycled, done := 0, 0
	_, call := newStream(&scriptedHTTP{recycle: func() { recycled++ }, streamDone: func() { done++ }})
	if !call.OnDone(2) {
		t.Error("a stream must not wait for the plugin at its end")
	}
	call.OnLog(2)
	call.OnDelete(2)
	call.OnDelete(2)
	if recycled != 1 || done != 1 {
		t.Errorf("recycled %d times, done %d times", recycled, done)
	}
}

func TestStartingAlwaysSucceedsTowardsTheHost(t *testing.T) {
	for name, start := range map[string]func() types.OnPluginStartStatus{
		"refused":  func() types.OnPluginStartStatus { return types.OnPluginStartStatusFailed },
		"panicked": func() types.OnPluginStartStatus { panic("bad configuration") },
	} {
		h, call := newVM(&scripted{start: start})
		if !call.OnConfigure(1, 0) || !call.OnVMStart(1, 0) {
			t.Errorf("%s: the host was told", name)
		}
		if len(h.logs) == 0 {
			t.Errorf("%s: nothing was logged", name)
		}
	}
}

func TestDoneNeverKeepsThePlugin(t *testing.T) {
	asked := false
	_, call := newVM(&scripted{done: func() { asked = true }})
	if !call.OnDone(1) || !asked {
		t.Error("the plugin was not asked, or kept its context")
	}
	call.OnDelete(1)
	call.OnTick(1) // the context is gone: nothing is called
}

func TestConfigurationAndRootID(t *testing.T) {
	var configuration, rootID, token string
	h, call := newVM(&scripted{start: func() types.OnPluginStartStatus {
		data, err := GetPluginConfiguration()
		if err == nil {
			configuration, rootID, token = string(data), strings.Clone(PluginRootID()), Getenv("TOKEN")
		}
		return true
	}})
	h.buffers[uint32(pluginConfiguration)] = []byte("{}")
	h.properties["plugin_root_id"] = []byte("quota")
	call.OnConfigure(1, 2)
	if configuration != "{}" || rootID != "quota" || token != "a=b" {
		t.Errorf("configuration %q, root id %q, token %q", configuration, rootID, token)
	}
	if Getenv("MISSING") != "" || Getenv("EMPTY") != "" || Getenv("A") != "1" {
		t.Error("environment variables are mixed up")
	}
}

func TestCallsAnswerInTheirContext(t *testing.T) {
	var got string
	h, call := newStream(&scriptedHTTP{requestHeaders: func() types.Action {
		_, err := DispatchHttpCall("manager", [][2]string{{":path", "/x"}, {"a", "1"}, {"a", "2"}}, []byte("body"),
			[][2]string{{"t", "u"}}, 250, func(numHeaders, bodySize, numTrailers int) {
				body, err := GetHttpCallResponseBody(2, 100)
				check(t, err)
				status, err := GetHttpCallResponseHeader(":status")
				check(t, err)
				got = status + string(body)
				check(t, ResumeHttpRequest())
			})
		check(t, err)
		return types.ActionPause
	}})
	call.OnRequestHeaders(2, 0, true)
	want := fakeCall{"manager", [][2]string{{":path", "/x"}, {"a", "1"}, {"a", "2"}}, [][2]string{{"t", "u"}}, "body", 250}
	if sent := h.calls[0]; sent.cluster != want.cluster || sent.body != want.body || sent.timeout != want.timeout ||
		!slices.Equal(sent.headers, want.headers) || !slices.Equal(sent.trailers, want.trailers) {
		t.Errorf("sent %+v", sent)
	}
	h.headers[uint32(callResponseHeaders)] = [][2]string{{":status", "200"}}
	h.buffers[uint32(callResponseBody)] = []byte("answer")
	call.OnHTTPCallResponse(1, 1, 1, 6, 0)
	call.OnHTTPCallResponse(1, 1, 1, 6, 0) // a second answer is nobody's
	if got != "200swer" || !slices.Equal(h.resumed, []uint32{2}) {
		t.Errorf("got %q, resumed %v", got, h.resumed)
	}
}

func TestAnswersOfDeletedStreamsAreDropped(t *testing.T) {
	_, call := newStream(&scriptedHTTP{requestHeaders: func() types.Action {
		_, err := DispatchHttpCall("manager", nil, nil, nil, 1, func(int, int, int) { t.Error("called") })
		check(t, err)
		return types.ActionPause
	}})
	call.OnRequestHeaders(2, 0, true)
	call.OnDelete(2)
	call.OnHTTPCallResponse(1, 1, 0, 0, 0)
	if len(vm.callouts) != 0 || Panics() != 0 {
		t.Error("the call is still there")
	}
}

func TestQueuesWakeAnotherStream(t *testing.T) {
	p := &scripted{newHTTP: func(uint32) types.HttpContext { return &scriptedHTTP{} }}
	h, call := newVM(p)
	h.contexts[2] = true
	call.OnContextCreate(2, 1)
	var id uint32
	p.tick = func() {
		var err error
		id, err = RegisterSharedQueue("wake7")
		check(t, err)
		found, err := ResolveSharedQueue("", "wake7")
		check(t, err)
		if _, err := ResolveSharedQueue("", "wake8"); !errors.Is(err, ErrNotFound) || found != id {
			t.Errorf("found %d, error %v", found, err)
		}
		check(t, EnqueueSharedQueue(found, []byte("hello")))
	}
	p.queueReady = func(queueID uint32) {
		message, err := DequeueSharedQueue(queueID)
		check(t, err)
		if string(message) != "hello" {
			t.Errorf("got %q", message)
		}
		if _, err := DequeueSharedQueue(queueID); !errors.Is(err, ErrEmpty) {
			t.Errorf("an empty queue said %v", err)
		}
		check(t, SetEffectiveContext(2))
		check(t, ResumeHttpRequest())
		if err := SetEffectiveContext(99); !errors.Is(err, ErrBadArgument) {
			t.Error("a context that is not there was found")
		}
	}
	call.OnTick(1)
	call.OnQueueReady(1, id)
	if !slices.Equal(h.resumed, []uint32{2}) {
		t.Errorf("resumed %v", h.resumed)
	}
}

func TestSharedDataIsComparedAndSwapped(t *testing.T) {
	p := &scripted{tick: func() {
		if _, _, err := GetSharedData("k"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a key never set said %v", err)
		}
		check(t, SetSharedData("k", []byte("1"), 0))
		value, cas, err := GetSharedData("k")
		check(t, err)
		check(t, SetSharedData("k", []byte("2"), cas))
		if err := SetSharedData("k", []byte("3"), cas); !errors.Is(err, ErrCasMismatch) || string(value) != "1" {
			t.Errorf("an old cas set the value; got %q", value)
		}
	}}
	_, call := newVM(p)
	call.OnTick(1)
}

func TestPropertiesAndMetrics(t *testing.T) {
	p := &scripted{tick: func() {
		check(t, SetPropertyString(Path("a", "b.c"), "v"))
		value, err := GetPropertyString("a\x00b.c")
		check(t, err)
		counter, err := DefineCounterMetric("c")
		check(t, err)
		check(t, counter.Increment(3))
		gauge, err := DefineGaugeMetric("g")
		check(t, err)
		check(t, gauge.Set(10))
		check(t, gauge.Add(-4))
		count, _ := counter.Value()
		level, _ := gauge.Value()
		if value != "v" || count != 3 || level != 6 {
			t.Errorf("got %q, %d, %d", value, count, level)
		}
		now, err := GetCurrentTimeNanoseconds()
		check(t, err)
		check(t, SetTickPeriodMilliSeconds(uint32(now/1e18)))
	}}
	h, call := newVM(p)
	call.OnTick(1)
	if h.tick != 1 {
		t.Errorf("tick period %d", h.tick)
	}
}

func TestWhatIsLargerThanMaxBlockIsAnError(t *testing.T) {
	p := &scripted{}
	h, call := newVM(p)
	h.buffers[uint32(callResponseBody)] = make([]byte, MaxBlock+1)
	p.tick = func() {
		if _, err := GetHttpCallResponseBody(0, MaxBlock+1); !errors.Is(err, ErrInvalidMemory) {
			t.Errorf("a body that is too large: %v", err)
		}
		body, err := GetHttpCallResponseBody(0, MaxBlock)
		check(t, err)
		if len(body) != MaxBlock {
			t.Errorf("got %d bytes", len(body))
		}
		if _, err := GetHttpCallResponseBody(-1, 1); !errors.Is(err, ErrBadArgument) {
			t.Errorf("a negative start: %v", err)
		}
	}
	call.OnTick(1)
	if Panics() != 0 {
		t.Error(h.logs)
	}
}

func TestStatusesBecomeErrors(t *testing.T) {
	for status, want := range map[Status]error{
		StatusOK: nil, StatusNotFound: ErrNotFound, StatusBadArgument: ErrBadArgument, StatusEmpty: ErrEmpty,
		StatusCasMismatch: ErrCasMismatch, StatusUnimplemented: ErrUnimplemented, StatusInternalFailure: ErrInternalFailure,
		StatusInvalidMemoryAccess: ErrInvalidMemory, StatusParseFailure: ErrSerialization, 77: ErrUnknownStatus,
	} {
		if got := statusError(status); !errors.Is(got, want) {
			t.Errorf("status %d: %v, want %v", status, got, want)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
