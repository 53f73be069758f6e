package testharness

import (
	"fmt"
	"time"
)

// reloadBackoff is how long after a load FAIL_RELOAD loads again at the
// earliest. Envoy adds up to half of it by chance; here it is exact, so that
// tests can rely on it (PluginConfig::maybeReloadHandleIfNeeded in wasm.cc).
const reloadBackoff = time.Second

// thread is a worker or the main thread. It has its own VMs, and all that
// happens in them happens on its loop.
type thread struct {
	proxy   *Proxy
	index   int // of the worker; mainThread for the main thread
	loop    *loop
	vms     map[vmKey]*vm
	plugins []*plugin // in the order of the chain
	streams map[*stream]struct{}
}

// mainThread is the main thread's number where workers are counted from 0.
const mainThread = -1

// plugin is one entry of the chain on one thread: the VM that serves it now.
type plugin struct {
	filter   Filter
	vm       *vm
	root     *guestContext
	lastLoad time.Time
}

func newThread(p *Proxy, index int) *thread {
	return &thread{
		proxy: p, index: index, loop: p.clock.acquireLoop(&p.signal),
		vms: map[vmKey]*vm{}, streams: map[*stream]struct{}{},
	}
}

// load makes the VMs and root contexts for the chain.
func (t *thread) load(filters []Filter) error {
	for _, f := range filters {
		p := &plugin{filter: f}
		if err := t.loadPlugin(p); err != nil {
			return err
		}
		t.plugins = append(t.plugins, p)
	}
	return nil
}

// loadPlugin finds or makes the VM and the root context of a plugin
// (getOrCreateThreadLocalPlugin, src/wasm.cc).
func (t *thread) loadPlugin(p *plugin) error {
	p.lastLoad = t.proxy.clock.Now()
	v := t.vms[p.filter.vmKey()]
	if v == nil {
		var err error
		if v, err = newVM(t, p.filter); err != nil {
			return err
		}
		t.vms[v.key] = v
	}
	root := v.roots[p.filter.pluginKey()]
	if root == nil {
		var err error
		if root, err = startPlugin(v, p.filter); err != nil {
			delete(v.roots, p.filter.pluginKey())
			return err
		}
	}
	p.vm, p.root = v, root
	return nil
}

// startPlugin starts and configures a root context.
func startPlugin(v *vm, f Filter) (*guestContext, error) {
	root, ok := v.startRoot(f)
	if !ok {
		return nil, fmt.Errorf("plugin %q (root id %q): proxy_on_vm_start refused%s", f.name, f.rootID, v.failure())
	}
	if !root.configure() {
		return nil, fmt.Errorf("plugin %q (root id %q): proxy_on_configure refused%s", f.name, f.rootID, v.failure())
	}
	return root, nil
}

// failure explains a refusal that was a failure of the VM.
func (v *vm) failure() string {
	if v.failed {
		return ", for the VM failed; see the log"
	}
	return ""
}

// canary starts each plugin in a VM of its own and throws it away, as Envoy
// does on the main thread before it loads a plugin anywhere
// (WasmHandleBase::canary). What it wrote to shared data, queues and metrics
// stays.
func (t *thread) canary(filters []Filter) error {
	seen := map[struct {
		vmKey
		pluginKey
	}]bool{}
	for _, f := range filters {
		key := struct {
			vmKey
			pluginKey
		}{f.vmKey(), f.pluginKey()}
		if seen[key] {
			continue
		}
		seen[key] = true
		v, err := newVM(t, f)
		if err != nil {
			return err
		}
		_, err = startPlugin(v, f)
		if killErr := v.kill(); err == nil {
			err = killErr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forget makes room for a new VM in place of one that failed.
func (t *thread) forget(v *vm) {
	if t.vms[v.key] == v {
		delete(t.vms, v.key)
	}
}

// filterContexts makes the contexts of a new stream, in chain order. A filter
// that fails open and whose VM failed is left out; one that fails closed gets
// a context without VM (PluginConfig::createContext in wasm.cc).
func (t *thread) filterContexts(s *stream) {
	for _, p := range t.plugins {
		t.maybeReload(p)
		h := &hop{stream: s}
		switch {
		case !p.vm.failed:
			h.context = p.vm.newContext(p.filter)
			h.context.root = p.root
		case p.filter.failPolicy == FailOpen:
			continue
		default:
			h.context = &guestContext{filter: p.filter, root: p.root}
		}
		h.context.stream, h.context.hop = s, h
		s.hops = append(s.hops, h)
	}
}

// maybeReload makes a new VM for a plugin whose VM failed, if its policy says
// so and its last load is long enough ago.
func (t *thread) maybeReload(p *plugin) {
	if !p.vm.failed || p.filter.failPolicy != FailReload {
		return
	}
	if t.proxy.clock.Now().Sub(p.lastLoad) < reloadBackoff {
		return
	}
	if err := t.loadPlugin(p); err != nil {
		t.proxy.logs.append(t.proxy.entry(nil, LogCritical, "reload failed: "+err.Error()))
		return
	}
	t.proxy.reloads.Add(1)
}

// shutdown ends streams, root contexts and VMs.
func (t *thread) shutdown() error {
	for s := range t.streams {
		s.reset(ErrProxyClosed)
	}
	var first error
	for _, v := range t.vms {
		v.shutdown()
		if err := v.kill(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// shutdown tells the guest that its root contexts end
// (WasmBase::startShutdown). A context that answers false to proxy_on_done is
// deleted when the guest calls proxy_done; the proxy does not wait for that.
func (v *vm) shutdown() {
	for id := uint32(1); id <= v.lastID; id++ {
		c := v.contexts[id]
		if c == nil || !c.isRoot() {
			continue
		}
		if c.onDone() {
			c.onDelete()
		} else {
			c.doneAsked = true
		}
	}
}
