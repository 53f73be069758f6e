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
// This is what lets the request path allocate nothing.
//
// # Failures
//
// Every callback recovers from a panic: it is logged as critical with its stack, counted (Panics),
// and the request concerned is answered by the handler of SetPanicHandler or with a plain 500; it is
// never let through. The VM lives on. Configuring and starting always succeed towards the host: Envoy
// exits at boot otherwise. A plugin keeps a bad configuration as a state of its own that refuses.
//
// What recover cannot catch ends the VM: memory running out, a stack overflow, a deadlock. So: bound
// every size, no goroutines, no locks, no recursion on input.
//
// # How Go runs here
//
// A callback runs on the main goroutine's stack, not on a new goroutine, and so does the nested
// proxy_on_memory_allocate while a host function runs. That stack may move meanwhile, therefore host
// functions write results only to package variables, never to the stack. Random numbers come from
// math/rand/v2, whose top-level functions every VM seeds from the host's random_get.
package proxywasm
