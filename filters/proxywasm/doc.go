// Package proxywasm is a thin runtime for proxy-wasm ABI 0.2.1 and the standard Go toolchain
// (GOOS=wasip1 GOARCH=wasm -buildmode=c-shared). Filters implement the contexts of
// github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types; the functions here have that SDK's names.
// It is the only place of the filters with go:wasmimport, go:wasmexport and unsafe.
//
// # Registering
//
// A module calls SetVMContext or SetPluginContext in an init function: in a c-shared module hosts call
// _initialize, which runs init functions, and main never runs (it must still be there, empty).
//
// # Views
//
// Whatever the host returns is a view, valid only until the callback that is running returns: every
// string, []byte and [][2]string that a function of this package returns. The bytes lie in memory
// that the next callback reuses. Keep something longer only as a copy (strings.Clone, bytes.Clone).
// This is what lets the request path allocate nothing. Native builds overwrite views when they end, so
// that a test sees one that was kept.
//
// # Failures
//
// Every callback recovers from a panic: it is logged as critical (the first ones of a VM with their
// stack), counted (Panics), and the request concerned is answered by the handler of SetPanicHandler or
// with a plain 500; it is never let through. The VM lives on. Configuring and starting always succeed
// towards the host: Envoy exits at boot otherwise. A plugin keeps a bad configuration as a state of its
// own that refuses.
//
// What recover cannot catch ends the VM: memory running out, a stack overflow, a wait. So: bound every
// size, no recursion on input, no goroutines.
//
// # How Go runs here
//
// A callback runs on the main goroutine's stack, not on a new goroutine, and so does the nested
// proxy_on_memory_allocate while a host function runs. That stack may move meanwhile, therefore host
// functions write results only to package variables, never to the stack.
//
// Garbage collections happen within callbacks, also within proxy_on_memory_allocate, where Envoy lets
// the VM call almost nothing; they need no function of the host (seen over thousands of them). But
// nothing may wait: no runtime.GC, no channels, no time.Sleep, no lock that is held. A wait becomes
// the host's poll_oneoff, and where that fails the VM ends.
//
// Random numbers come from math/rand/v2, whose top-level functions each VM seeds from the host's
// random_get.
package proxywasm
