package testharness

import "maps"

// FailPolicy says what becomes of requests when a filter's VM has failed: a
// panic that the guest did not recover from, an access out of bounds, an exit.
type FailPolicy int

const (
	// FailClosed answers 503 from then on. It is the default, as in Envoy.
	FailClosed FailPolicy = iota
	// FailOpen lets new requests through from then on, without the filter. Those
	// that were in it get 503, the one that made it fail included.
	FailOpen
	// FailReload answers 503 until a new request finds that the VM was loaded
	// at least a second ago, and then makes a new VM for it.
	FailReload
)

// Filter is one entry of a filter chain. It is immutable: each With method
// returns a changed copy.
type Filter struct {
	module        *Module
	name          string
	rootID        string
	configuration string
	vmID          string
	vmConfig      string
	env           map[string]string
	failPolicy    FailPolicy
}

// NewFilter returns a filter that runs a module, with the empty root id and no
// configuration.
func NewFilter(module *Module) Filter { return Filter{module: module} }

// WithName sets the plugin's name, which the guest reads as plugin_name.
func (f Filter) WithName(name string) Filter { f.name = name; return f }

// WithRootID sets the root id, by which a module that holds several filters
// chooses one.
func (f Filter) WithRootID(id string) Filter { f.rootID = id; return f }

// WithConfiguration sets the plugin configuration, as bytes.
func (f Filter) WithConfiguration(configuration []byte) Filter {
	f.configuration = string(configuration)
	return f
}

// WithVMID sets the vm_id. Shared data and queues belong to a vm_id; filters
// with the same vm_id, module and VM configuration share one VM per thread.
func (f Filter) WithVMID(id string) Filter { f.vmID = id; return f }

// WithVMConfiguration sets the VM configuration, as bytes.
func (f Filter) WithVMConfiguration(configuration []byte) Filter {
	f.vmConfig = string(configuration)
	return f
}

// WithEnv gives the VM an environment variable.
func (f Filter) WithEnv(name, value string) Filter {
	env := maps.Clone(f.env)
	if env == nil {
		env = map[string]string{}
	}
	env[name] = value
	f.env = env
	return f
}

// WithFailPolicy sets what happens when the VM fails.
func (f Filter) WithFailPolicy(policy FailPolicy) Filter { f.failPolicy = policy; return f }

// vmKey identifies a VM within a thread (makeVmKey, src/wasm.cc).
type vmKey struct {
	vmID, vmConfig string
	code           [32]byte
}

// pluginKey identifies a root context within a VM (PluginBase::key).
type pluginKey struct {
	name, rootID, configuration string
}

func (f Filter) vmKey() vmKey {
	return vmKey{vmID: f.vmID, vmConfig: f.vmConfig, code: f.module.hash}
}

func (f Filter) pluginKey() pluginKey {
	return pluginKey{name: f.name, rootID: f.rootID, configuration: f.configuration}
}
