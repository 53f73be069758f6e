package proxywasm

import (
	"errors"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// Status is what a host function returns (proxy_status_t of ABI 0.2.1).
type Status uint32

// The statuses of ABI 0.2.1 that hosts return.
const (
	StatusOK                  Status = 0
	StatusNotFound            Status = 1
	StatusBadArgument         Status = 2
	StatusSerializationFailed Status = 3
	StatusParseFailure        Status = 4
	StatusBadExpression       Status = 5
	StatusInvalidMemoryAccess Status = 6
	StatusEmpty               Status = 7
	StatusCasMismatch         Status = 8
	StatusResultMismatch      Status = 9
	StatusInternalFailure     Status = 10
	StatusBrokenConnection    Status = 11
	StatusUnimplemented       Status = 12
)

// Errors of host functions, for errors.Is. They are made once and never wrapped: returning or comparing one
// allocates nothing. The first six are the SDK's own.
var (
	ErrNotFound        = types.ErrorStatusNotFound
	ErrBadArgument     = types.ErrorStatusBadArgument
	ErrEmpty           = types.ErrorStatusEmpty
	ErrCasMismatch     = types.ErrorStatusCasMismatch
	ErrInternalFailure = types.ErrorInternalFailure
	ErrUnimplemented   = types.ErrorUnimplemented
	// ErrInvalidMemory means that the host could not place its answer: larger than MaxBlock, or
	// the host returned memory that this runtime never gave it.
	ErrInvalidMemory = errors.New("error status returned by host: invalid memory access")
	// ErrSerialization means that one side could not read the other's list of pairs.
	ErrSerialization = errors.New("error status returned by host: serialization failure")
	// ErrUnknownStatus means a status that ABI 0.2.1 does not name.
	ErrUnknownStatus = errors.New("error status returned by host: unknown status")
)

// statusError returns the error for a status, nil for StatusOK.
func statusError(status Status) error {
	switch status {
	case StatusOK:
		return nil
	case StatusNotFound:
		return ErrNotFound
	case StatusBadArgument:
		return ErrBadArgument
	case StatusSerializationFailed, StatusParseFailure, StatusBadExpression, StatusResultMismatch:
		return ErrSerialization
	case StatusInvalidMemoryAccess:
		return ErrInvalidMemory
	case StatusEmpty:
		return ErrEmpty
	case StatusCasMismatch:
		return ErrCasMismatch
	case StatusInternalFailure, StatusBrokenConnection:
		return ErrInternalFailure
	case StatusUnimplemented:
		return ErrUnimplemented
	}
	return ErrUnknownStatus
}
