package proxywasm

import (
	"runtime"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

const (
	// maxStack bounds, in bytes, the stack that is logged for a panic.
	maxStack = 4 << 10
	// loggedStacks is how many panics of a VM are logged with their stack. Who can cause panics at
	// will should not be able to fill the disk with them.
	loggedStacks = 16
)

// SetPanicHandler sets what answers the request when a callback of its stream panicked: the handler
// calls SendHttpResponse, and callback is the ABI's name (such as proxy_on_request_headers). If it
// sends nothing, or panics too, the answer is a plain 500. It is not called for the panics of plugin
// contexts, nor when the stream has been answered or has ended.
func SetPanicHandler(handler func(contextID uint32, callback string)) {
	vm.panicHandler = handler
}

// Panics returns how many callbacks of this VM panicked.
func Panics() uint64 {
	return vm.panics
}

// frame is one callback under way, with what it hid from the callback around it.
type frame struct {
	contextID         uint32
	callback          string
	active, effective uint32
	replied           bool
}

// enter begins a callback: defer leave(enter(contextID, name), action).
func enter(contextID uint32, callback string) frame {
	hidden := frame{contextID, callback, vm.active, vm.effective, vm.replied}
	vm.depth++
	vm.active, vm.effective, vm.replied = contextID, 0, false
	return hidden
}

// leave ends a callback, be it by a panic, which it answers. All views end with the outermost one.
func leave(f frame, action *types.Action) {
	if cause := recover(); cause != nil {
		failed(f, cause, action)
	}
	vm.active, vm.effective, vm.replied = f.active, f.effective, f.replied
	if vm.depth--; vm.depth == 0 {
		vm.memory.reset()
		vm.pairs.reset()
	}
}

// failed logs and counts a panic and answers the stream's request. A request is never let through: if
// no answer can be sent it stays paused, until the host's own timeout.
func failed(f frame, cause any, action *types.Action) {
	vm.panics++
	logPanic(f.callback, cause)
	if !answerable(f) {
		return
	}
	if !vm.replied {
		answer(f)
	}
	if action == nil {
		return
	}
	*action = types.ActionPause
	if f.callback == "proxy_on_response_headers" && !vm.replied {
		// The request was decided on its way in; a pause here would only hang it.
		*action = types.ActionContinue
	}
}

// answerable says whether a panic in the callback leaves a request to be answered. A stream whose
// context could not be made is answered when its headers come.
func answerable(f frame) bool {
	switch f.callback {
	case "proxy_on_context_create", "proxy_on_log", "proxy_on_done":
		return false
	}
	return vm.streams.get(f.contextID) != nil
}

// answer answers the frame's request: by the plugin's handler, else by a plain 500.
func answer(f frame) {
	if vm.effective != 0 && SetEffectiveContext(f.contextID) != nil {
		return // the answer would go to another stream
	}
	callHandler(f)
	if !vm.replied {
		vm.replied = SendHttpResponse(500, nil, nil, -1) == nil
	}
}

// callHandler calls the plugin's panic handler, if any, and survives its panic.
func callHandler(f frame) {
	if vm.panicHandler == nil {
		return
	}
	defer func() {
		if cause := recover(); cause != nil {
			logPanic("the panic handler", cause)
		}
	}()
	vm.panicHandler(f.contextID, f.callback)
}

func logPanic(where string, cause any) {
	message := where + " panicked: " + causeText(cause)
	if vm.panics <= loggedStacks {
		stack := make([]byte, maxStack)
		message += "\n" + string(stack[:runtime.Stack(stack, false)])
	}
	LogCritical(message)
}

// causeText says what a panic was about, without fmt.
func causeText(cause any) string {
	switch cause := cause.(type) {
	case error:
		return cause.Error()
	case string:
		return cause
	}
	return "a value that is neither error nor string"
}
