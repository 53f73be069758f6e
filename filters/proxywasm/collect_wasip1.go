package proxywasm

import _ "unsafe" // for go:linkname

// setGCPercent is runtime/debug.SetGCPercent without the package, which links os.
//
//go:linkname setGCPercent runtime/debug.setGCPercent
func setGCPercent(percent int32) (before int32)

// gcPercent is how much a VM's heap may grow beyond what lives before it is
// collected. A VM holds a large policy that rarely changes, and its requests
// allocate nothing: collecting early costs little and saves every VM as much
// memory again.
const gcPercent = 10

func init() { setGCPercent(gcPercent) }
