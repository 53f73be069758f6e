package testharness_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// TestHostCalls runs one script each and looks at what the guest was told.
func TestHostCalls(t *testing.T) {
	tests := map[string]struct {
		script []string
		want   []string
	}{
		"headers keep order and duplicates": {
			[]string{"request_headers pairs 0"},
			[]string{"request_headers pairs 0 = :authority=api.example.test :path=/v1/pay?a=1 :method=GET :scheme=http accept=*/* x-dup=1 x-dup=2 x-request-id=id-1 x-forwarded-proto=http"},
		},
		"get gives the first value, whatever the case of the name": {
			[]string{"request_headers get 0 X-Dup", "request_headers get 0 x-none"},
			[]string{"request_headers get 0 X-Dup = 1", "request_headers get 0 x-none ! not found"},
		},
		"set replaces every value, add appends, remove takes all": {
			[]string{"request_headers set 0 x-dup 3", "request_headers add 0 x-dup 4", "request_headers remove 0 accept", "request_headers remove 0 x-request-id", "request_headers pairs 0"},
			[]string{"request_headers pairs 0 = :authority=api.example.test :path=/v1/pay?a=1 :method=GET :scheme=http x-forwarded-proto=http x-dup=3 x-dup=4"},
		},
		"set pairs replaces the whole map, pseudo-headers first": {
			[]string{"request_headers set-pairs 0 X-Forwarded-Proto=http :path=/p :method=GET :authority=h", "request_headers pairs 0", "request_headers map-size 0"},
			[]string{"request_headers pairs 0 = :path=/p :method=GET :authority=h x-forwarded-proto=http", "request_headers map-size 0 = 49"},
		},
		"maps that are not there": {
			[]string{"request_headers get 2 :status", "request_headers pairs 2", "request_headers add 2 a b", "request_headers map-size 1", "request_headers get 99 a", "request_headers pairs 6"},
			[]string{"request_headers get 2 :status ! bad argument", "request_headers pairs 2 = ", "request_headers add 2 a b ! bad argument", "request_headers map-size 1 ! bad argument", "request_headers get 99 a ! bad argument", "request_headers pairs 6 = "},
		},
		"the request cannot be reached in the response": {
			[]string{"response_headers get 0 :path", "response_headers property request|path", "response_headers get 2 :status"},
			[]string{"response_headers get 0 :path ! bad argument", "response_headers property request|path ! not found", "response_headers get 2 :status = 200"},
		},
		"everything can be read in log, nothing changed": {
			[]string{"log get 0 x-dup", "log get 2 :status", "log get 3 x", "log add 0 x y", "log property request|path", "log property response|code_details"},
			[]string{"log get 0 x-dup = 1", "log get 2 :status = 200", "log get 3 x ! not found", "log add 0 x y ! bad argument", "log property request|path = /v1/pay?a=1", "log property response|code_details = via_upstream"},
		},
		"properties": {
			[]string{
				"request_headers property request|url_path", "request_headers property request|query", "request_headers property request|host", "request_headers property request|method",
				"request_headers property request|headers|x-dup", "request_headers property request|id", "request_headers property request|protocol",
				"request_headers property plugin_root_id", "request_headers property plugin_name", "request_headers property plugin_vm_id", "request_headers property xds|node|id",
				"request_headers property source|address", "request_headers property nothing", "request_headers property request|nothing", "request_headers property request",
			},
			[]string{
				"request_headers property request|url_path = /v1/pay", "request_headers property request|query = a=1", "request_headers property request|host = api.example.test", "request_headers property request|method = GET",
				"request_headers property request|headers|x-dup = 1,2", "request_headers property request|id = id-1", "request_headers property request|protocol = HTTP/1.1",
				"request_headers property plugin_root_id = root", "request_headers property plugin_name = name", "request_headers property plugin_vm_id = test", "request_headers property xds|node|id = node-7",
				"request_headers property source|address = 127.0.0.1:40000", "request_headers property nothing ! not found", "request_headers property request|nothing ! not found", "request_headers property request ! not found",
			},
		},
		"filter state can be set on streams only": {
			[]string{"request_headers set-property partner.id acme corp", "request_headers property partner.id", "request_headers property filter_state|wasm.partner.id", "configure set-property a b", "configure property request|path"},
			[]string{"configure set-property a b ! not found", "configure property request|path ! not found", "request_headers property partner.id = acme corp", "request_headers property filter_state|wasm.partner.id = acme corp"},
		},
		"configuration can be read while it is given": {
			[]string{"vm_start buffer 6 0 99", "vm_start buffer 7 0 9", "configure buffer 7 10 6", "request_headers buffer 7 0 9"},
			[]string{"vm_start buffer 6 0 99 = vm conf", "vm_start buffer 7 0 9 ! not found", "configure buffer 7 10 6 = uffer ", "request_headers buffer 7 0 9 ! not found"},
		},
		"shared data and cas": {
			// The canary and the main thread have run configure before the worker.
			[]string{"request_headers shared new", "request_headers share new 77 a", "request_headers shared new", "request_headers share new 1 b", "request_headers share new 77 b", "request_headers share new 0 c", "request_headers shared new"},
			[]string{"request_headers shared new ! not found", "request_headers shared new = a cas 1", "request_headers share new 77 b ! cas mismatch", "request_headers shared new = c cas 3"},
		},
		"metrics": {
			[]string{
				"request_headers count 0 c 2", "request_headers count 0 c 0", "request_headers count 0 c -1", "request_headers metric 0 c", "request_headers record 0 c 5", "request_headers metric 0 c",
				"request_headers record 1 g 9", "request_headers count 1 g -2", "request_headers metric 1 g", "request_headers record 2 h 3", "request_headers count 2 h 1", "request_headers metric 2 h", "request_headers count 3 x 1",
			},
			[]string{
				"request_headers count 0 c 0 ! bad argument", "request_headers count 0 c -1 ! bad argument", "request_headers metric 0 c = 2", "request_headers record 0 c 5 = 20", "request_headers metric 0 c = 7",
				"request_headers record 1 g 9 = 5", "request_headers metric 1 g = 7", "request_headers record 2 h 3 = 6", "request_headers count 2 h 1 ! bad argument", "request_headers metric 2 h ! bad argument", "request_headers count 3 x 1 ! bad argument",
			},
		},
		"bits and pieces": {
			[]string{"request_headers level", "request_headers env COLOR", "request_headers print out loud", "request_headers foreign clear_route_cache", "request_headers foreign nope", "request_headers time", "request_headers proxy-done", "request_headers continue 9", "request_headers continue 3", "request_headers close 9", "request_headers status"},
			[]string{"request_headers level = 1", "request_headers env COLOR = blue", "out loud", "request_headers foreign nope ! not found", "request_headers time = 1767225600000000000 2026-01-01T00:00:00Z", "request_headers proxy-done ! not found", "request_headers continue 9 ! bad argument", "request_headers continue 3 ! unimplemented", "request_headers close 9 ! bad argument", "request_headers status = 0 "},
		},
		"calls that cannot be made": {
			[]string{"request_headers call nowhere /x 100", "request_headers call cluster - 100", "request_headers call cluster /x 4294967295"},
			[]string{"request_headers call nowhere /x 100 ! bad argument", "request_headers call cluster - 100 ! bad argument", "request_headers call cluster /x 4294967295 ! bad argument"},
		},
		"hostile pointers and pairs": {
			[]string{"request_headers overrun", "request_headers garbage", "request_headers pairs 0", "request_headers set-pairs 0 :path=/ :method=GET :authority=h x-forwarded-proto=http"},
			append(slices.Repeat([]string{"request_headers overrun ! invalid memory access"}, 6),
				append(slices.Repeat([]string{"request_headers garbage = taken"}, 5), "request_headers pairs 0 = ")...),
		},
		"a guest that sleeps wakes up": {
			[]string{"request_headers sleep 50", "request_headers log awake"},
			[]string{"awake"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := script(test.script...).WithRootID("root").WithName("name").WithVMConfiguration([]byte("vm conf")).WithEnv("COLOR", "blue")
			p := start(t, config(f).WithNodeID("node-7").WithCluster("cluster", echo).WithLogLevel(testharness.LogDebug))
			response := do(t, p, request("GET", "/v1/pay?a=1", "X-Dup", "1", "X-Dup", "2", "Accept", "*/*", "X-Request-Id", "id-1"))
			if response.StatusCode != 200 {
				t.Error(response.Status)
			}
			wantLogs(t, p, test.want...)
			if p.Failures() != 0 {
				t.Error("VM failed")
			}
		})
	}
}

func TestWhatTestsCanRead(t *testing.T) {
	p := start(t, config(script(
		"request_headers set-property partner acme", "request_headers share k 0 v", "request_headers count 0 requests 1",
		"request_headers record 1 level 4", "request_headers record 2 time 8", "request_headers record 2 time 9",
	)))
	response := do(t, p, request("GET", "/"))
	do(t, p, request("GET", "/"))
	if got := p.FilterState(response); len(got) != 1 || got["wasm.partner"] != "acme" {
		t.Error(got)
	}
	if v, ok := p.SharedData("test", "k"); !ok || string(v) != "v" {
		t.Error(v, ok)
	}
	if v, ok := p.SharedData("another", "k"); ok {
		t.Error("shared data crosses vm_ids:", v)
	}
	if got := fmt.Sprint(p.Metrics(), p.Samples("time"), p.SharedDataKeys("test")); got != "map[level:4 requests:2] [8 9 8 9] [k]" {
		t.Error(got)
	}
	if _, ok := p.Metric("nothing"); ok {
		t.Error("a metric that nobody defined")
	}
	if p.Clock().Now() != testharness.DefaultStart {
		t.Error("time has passed")
	}
}

func TestLogsSayWhose(t *testing.T) {
	p := start(t, config(script("request_headers log hello").WithName("n").WithRootID("r")).WithWorkers(2))
	if _, err := p.DoOn(1, request("GET", "/")); err != nil {
		t.Fatal(err)
	}
	logs := p.Logs()
	want := testharness.LogEntry{Time: testharness.DefaultStart, Level: testharness.LogInfo, Message: "hello", Plugin: "n", RootID: "r", VMID: "test", Worker: 1}
	if len(logs) != 1 || logs[0] != want {
		t.Errorf("%+v", logs)
	}
	if got := fmt.Sprint(testharness.LogTrace, testharness.LogCritical, testharness.LogLevel(9)); got != "trace critical level 9" {
		t.Error(got)
	}
}

// TestLaterFilterReadsProperty covers the way filters hand decisions on, across
// VMs too.
func TestLaterFilterReadsProperty(t *testing.T) {
	p := start(t, config(
		script("request_headers set-property a.decision yes"),
		script("request_headers property a.decision").WithVMID("other"),
	))
	do(t, p, request("GET", "/"))
	wantLogs(t, p, "request_headers property a.decision = yes")
}

func TestVirtualTimeIsWhatGuestsSee(t *testing.T) {
	p := start(t, config(script("request_headers time")))
	p.Advance(90 * time.Second)
	do(t, p, request("GET", "/"))
	wantLogs(t, p, "request_headers time = 1767225690000000000 2026-01-01T00:01:30Z")
	if strings.Contains(p.Clock().Now().String(), "m=") {
		t.Error("a virtual time has a monotonic reading")
	}
}
