package edge

import (
	"errors"

	"github.com/partnergate/partnergate/filters/proxywasm"
)

// createOnly is a cas that no value has. Setting a missing key with it creates
// the key in Envoy; ngx_wasm_module wants 0 for that.
const createOnly = 0xFFFFFFFF

// maxAttempts bounds the tries of one compare-and-swap.
const maxAttempts = 64

// sharedValue reads a key; a key that was never set is empty, with cas 0. The
// value is a view.
func sharedValue(key string) (value []byte, cas uint32, err error) {
	value, cas, err = proxywasm.GetSharedData(key)
	if errors.Is(err, proxywasm.ErrNotFound) {
		return nil, 0, nil
	}
	return value, cas, err
}

// swapShared replaces the value that was read with that cas, or creates the
// key where it was missing (cas 0). ErrCasMismatch if somebody else was faster.
func swapShared(key string, value []byte, cas uint32) error {
	if cas != 0 {
		return proxywasm.SetSharedData(key, value, cas)
	}
	err := proxywasm.SetSharedData(key, value, createOnly)
	if !errors.Is(err, proxywasm.ErrCasMismatch) {
		return err
	}
	if _, now, _ := sharedValue(key); now != 0 {
		return err
	}
	return proxywasm.SetSharedData(key, value, 0)
}

// updateShared changes a value by compare-and-swap until it succeeds. change
// gets a view that it may write to and append to, and says whether the value
// is to be written. It may run several times, and must not keep what it got.
func updateShared(key string, change func(value []byte) (changed []byte, write bool)) error {
	for range maxAttempts {
		value, cas, err := sharedValue(key)
		if err != nil {
			return err
		}
		value, write := change(value)
		if !write {
			return nil
		}
		if err = swapShared(key, value, cas); !errors.Is(err, proxywasm.ErrCasMismatch) {
			return err
		}
	}
	return proxywasm.ErrCasMismatch
}

// putShared sets a key that only one VM writes, whatever stood there.
func putShared(key string, value []byte) error {
	return updateShared(key, func([]byte) ([]byte, bool) { return value, true })
}
