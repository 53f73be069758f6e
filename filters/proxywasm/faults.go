//go:build !faultinjection

package proxywasm

import "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

// Modules that are shipped inject no faults. Those that tests build with the tag faultinjection do.

func withFaults(plugin types.PluginContext) types.PluginContext { return plugin }

func callFaults(callback func(numHeaders, bodySize, numTrailers int)) func(numHeaders, bodySize, numTrailers int) {
	return callback
}
