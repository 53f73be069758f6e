package testharness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// vm is one instance of a module on one thread, with its contexts. Only its
// thread's loop touches it.
type vm struct {
	thread   *thread
	key      vmKey
	filter   Filter // the filter for which it was made: module, vm_id, environment
	instance api.Module
	memory   api.Memory
	exports  map[string]api.Function
	malloc   api.Function
	ctx      context.Context // carries the vm to the host functions

	contexts map[uint32]*guestContext
	roots    map[pluginKey]*guestContext
	lastID   uint32
	timers   map[uint32]*tickTimer // by root context id
	metrics  vmMetrics
	lastCall uint32 // last token of an HTTP call

	failed     bool
	killed     bool
	restricted bool // while the guest initialises or allocates, see hostFunction
	slept      time.Duration

	current       *guestContext
	effectiveID   uint32
	stopIteration bool
	afterCall     []func()
}

type vmContextKey struct{}

// vmOf finds the VM for which a host function was called.
func vmOf(ctx context.Context) *vm { return ctx.Value(vmContextKey{}).(*vm) }

// newVM instantiates a module and initialises it (WasmBase::initialize).
func newVM(t *thread, f Filter) (*vm, error) {
	v := &vm{
		thread: t, key: f.vmKey(), filter: f, exports: map[string]api.Function{},
		contexts: map[uint32]*guestContext{}, roots: map[pluginKey]*guestContext{}, timers: map[uint32]*tickTimer{},
		metrics: newVMMetrics(),
	}
	v.ctx = context.WithValue(context.Background(), vmContextKey{}, v)
	if err := v.instantiate(); err != nil {
		return nil, err
	}
	if err := v.initialize(); err != nil {
		return nil, errors.Join(err, v.kill())
	}
	return v, nil
}

func (v *vm) instantiate() error {
	stdout, stderr := v.logWriter(LogInfo), v.logWriter(LogError)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithStdout(stdout).WithStderr(stderr).WithRandSource(rand.Reader).
		WithWalltime(v.walltime, sys.ClockResolution(1)).
		WithNanotime(v.nanotime, sys.ClockResolution(1)).
		WithNanosleep(v.nanosleep)
	for name, value := range v.filter.env {
		config = config.WithEnv(name, value)
	}
	instance, err := v.filter.module.runtime.InstantiateModule(v.ctx, v.filter.module.compiled, config)
	if err != nil {
		return fmt.Errorf("instantiate module: %w", err)
	}
	v.instance, v.memory = instance, instance.Memory()
	for name := range v.filter.module.compiled.ExportedFunctions() {
		v.exports[name] = instance.ExportedFunction(name)
	}
	if v.malloc = v.exports["malloc"]; v.malloc == nil {
		v.malloc = v.exports["proxy_on_memory_allocate"]
	}
	return nil
}

// initialize runs the module's start functions as WasmBase::startVm does:
// _initialize and then main for a reactor, else _start. They may not yet call
// the proxy, but for logging.
func (v *vm) initialize() error {
	v.restricted = true
	defer func() { v.restricted = false }()
	names := []string{"_start"}
	if v.exports["_initialize"] != nil {
		names = []string{"_initialize", "main", "__main_void"}
	}
	for _, name := range names {
		f := v.exports[name]
		if f == nil {
			continue
		}
		params := make([]uint64, len(f.Definition().ParamTypes()))
		if _, err := f.Call(v.ctx, params...); err != nil && (name != "_start" || !errors.Is(err, exitError(0))) {
			return fmt.Errorf("run %s: %w", name, err)
		}
		if name == "main" {
			break
		}
	}
	return nil
}

// The WASI clocks follow the proxy's clock. A guest that sleeps moves its own
// monotonic clock on, so that its sleep ends although virtual time stands still.
func (v *vm) walltime() (sec int64, nsec int32) {
	now := v.thread.proxy.clock.Now()
	return now.Unix(), int32(now.Nanosecond())
}

func (v *vm) nanotime() int64 {
	return v.thread.proxy.clock.Now().UnixNano() + int64(v.slept)
}

func (v *vm) nanosleep(ns int64) {
	if ns > 0 {
		v.slept += time.Duration(ns)
	}
}

// kill ends the instance without telling the guest.
func (v *vm) kill() error {
	if v.killed {
		return nil
	}
	v.killed = true
	for _, t := range v.timers {
		t.set(0)
	}
	for _, c := range v.contexts {
		c.cancelCalls()
	}
	return v.instance.Close(v.ctx)
}

// fail marks the VM as failed for good (FailState::RuntimeError): nothing is
// called in it any more, and its thread forgets it, so that a reload makes a
// new one.
func (v *vm) fail(err error) {
	if v.failed {
		return
	}
	v.failed = true
	v.thread.forget(v)
	v.thread.proxy.vmFailed(v, err)
	v.thread.loop.post(func() { _ = v.kill() }) // its memory is of no use any more
}

// call calls an exported function on behalf of a context and then does what
// the guest asked for that had to wait for its return. The result is 0 when
// the function has none or the VM failed.
func (v *vm) call(c *guestContext, name string, params ...uint64) uint64 {
	result := v.enter(c, name, params...)
	v.runAfterCall()
	return result
}

// runAfterCall does what host functions deferred (DeferAfterCallActions).
func (v *vm) runAfterCall() {
	v.stopIteration = false
	for len(v.afterCall) > 0 {
		action := v.afterCall[0]
		v.afterCall = v.afterCall[1:]
		action()
	}
}

// enter calls into the guest. A context set by proxy_set_effective_context
// lasts until the call returns (SaveRestoreContext).
func (v *vm) enter(c *guestContext, name string, params ...uint64) uint64 {
	f := v.exports[name]
	savedContext, savedID := v.current, v.effectiveID
	v.current, v.effectiveID = c, 0
	defer func() { v.current, v.effectiveID = savedContext, savedID }()
	var buffer [8]uint64
	stack := buffer[:max(len(params), 1)]
	copy(stack, params)
	if err := f.CallWithStack(v.ctx, stack); err != nil {
		v.fail(fmt.Errorf("%s: %w", name, err))
		return 0
	}
	if len(f.Definition().ResultTypes()) == 0 {
		return 0
	}
	return uint64(uint32(stack[0]))
}

// has reports that the guest can be called and exports a callback.
func (v *vm) has(name string) bool { return !v.failed && v.exports[name] != nil }

// effective is the context that a host function acts on
// (contextOrEffectiveContext, src/exports.cc).
func (v *vm) effective() *guestContext {
	if v.effectiveID != 0 {
		if c := v.contexts[v.effectiveID]; c != nil {
			return c
		}
	}
	return v.current
}

// newContextID draws the next free context id, from 1.
func (v *vm) newContextID() uint32 {
	for {
		v.lastID++
		if v.lastID != 0 && v.contexts[v.lastID] == nil {
			return v.lastID
		}
	}
}

// read copies guest memory.
func (v *vm) read(ptr, size uint32) ([]byte, bool) {
	view, ok := v.memory.Read(ptr, size)
	if !ok {
		return nil, false
	}
	return append([]byte(nil), view...), true
}

func (v *vm) readString(ptr, size uint32) (string, bool) {
	view, ok := v.memory.Read(ptr, size)
	return string(view), ok
}

// allocate asks the guest for memory (WasmBase::allocMemory).
func (v *vm) allocate(size int) (ptr uint32, ok bool) {
	if v.restricted {
		panic(errors.New("a host function needed memory while the guest was allocating"))
	}
	v.restricted = true
	defer func() { v.restricted = false }()
	stack := [1]uint64{uint64(size)}
	if err := v.malloc.CallWithStack(v.ctx, stack[:]); err != nil {
		panic(fmt.Errorf("allocate %d bytes in the guest: %w", size, err))
	}
	ptr = uint32(stack[0])
	return ptr, ptr != 0
}

// hand gives the guest a copy of data and writes where it is
// (WasmBase::copyToPointerSize). Nothing is allocated for no data.
func (v *vm) hand(data []byte, ptrPtr, sizePtr uint32) status {
	var ptr uint32
	if len(data) > 0 {
		var ok bool
		if ptr, ok = v.allocate(len(data)); !ok || !v.memory.Write(ptr, data) {
			return statusInvalidMemoryAccess
		}
	}
	return v.writeUint32s(ptrPtr, ptr, sizePtr, uint32(len(data)))
}

// writeUint32s writes values to addresses, given in turn.
func (v *vm) writeUint32s(addressesAndValues ...uint32) status {
	for i := 0; i < len(addressesAndValues); i += 2 {
		if !v.memory.WriteUint32Le(addressesAndValues[i], addressesAndValues[i+1]) {
			return statusInvalidMemoryAccess
		}
	}
	return statusOK
}

// exitError is what a guest's proc_exit becomes: a trap.
type exitError uint32

func (e exitError) Error() string { return fmt.Sprintf("the guest called proc_exit(%d)", uint32(e)) }

// procExit stands in for WASI's proc_exit. A module that ends itself cannot be
// called again, so its VM fails; but 0 from _start is a command's ordinary end.
var procExit = api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
	panic(exitError(uint32(stack[0])))
})
