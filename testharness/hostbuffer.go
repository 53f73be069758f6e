package testharness

import "bytes"

// The buffers of the ABI.
const (
	bufferRequestBody = iota
	bufferResponseBody
	bufferDownstreamData
	bufferUpstreamData
	bufferCallBody
	bufferGRPCReceive
	bufferVMConfiguration
	bufferPluginConfiguration
	bufferCallData
	bufferLast = bufferCallData
)

// buffer is what a guest may read, and with body set, change.
type buffer struct {
	data []byte
	body *[]byte
}

// buffer finds a buffer of a context (Context::getBuffer). A body that is not
// there reads as empty; what a filter buffers reads as a whole.
func (c *guestContext) buffer(kind uint32) (b buffer, ok bool) {
	switch kind {
	case bufferRequestBody:
		return bodyBuffer(c.requestBody), true
	case bufferResponseBody:
		return bodyBuffer(c.responseBody), true
	case bufferCallBody:
		if c.root.callAnswer == nil {
			return buffer{}, false
		}
		return buffer{data: c.root.callAnswer.body}, true
	case bufferVMConfiguration:
		return buffer{data: []byte(c.vm.filter.vmConfig)}, true
	case bufferPluginConfiguration:
		if !c.configuring {
			return buffer{}, false
		}
		return buffer{data: []byte(c.filter.configuration)}, true
	case bufferDownstreamData, bufferUpstreamData, bufferCallData, bufferGRPCReceive:
		return buffer{}, true
	}
	return buffer{}, false
}

func bodyBuffer(body *[]byte) buffer {
	if body == nil {
		return buffer{}
	}
	return buffer{data: *body, body: body}
}

func hostGetBufferBytes(v *vm, p params) status {
	start, length := uint64(p.u32(1)), uint64(p.u32(2))
	if p.u32(0) > bufferLast {
		return statusBadArgument
	}
	b, ok := v.effective().buffer(p.u32(0))
	if !ok {
		return statusNotFound
	}
	size := uint64(len(b.data))
	start = min(start, size)
	length = min(length, size-start)
	return v.hand(b.data[start:start+length], p.u32(3), p.u32(4))
}

func hostGetBufferStatus(v *vm, p params) status {
	if p.u32(0) > bufferLast {
		return statusBadArgument
	}
	b, ok := v.effective().buffer(p.u32(0))
	if !ok {
		return statusNotFound
	}
	return v.writeUint32s(p.u32(1), uint32(len(b.data)), p.u32(2), 0)
}

// hostSetBufferBytes replaces a body, or puts bytes in front of it or behind
// it; nothing else is allowed (Buffer::copyFrom).
func hostSetBufferBytes(v *vm, p params) status {
	if p.u32(0) > bufferLast {
		return statusBadArgument
	}
	b, ok := v.effective().buffer(p.u32(0))
	if !ok {
		return statusNotFound
	}
	data, ok := v.read(p.u32(3), p.u32(4))
	if !ok {
		return statusInvalidMemoryAccess
	}
	if b.body == nil {
		return statusBadArgument
	}
	start, length, size := p.u32(1), p.u32(2), uint32(len(b.data))
	switch {
	case start == 0 && length == 0:
		*b.body = append(data, b.data...)
	case start == 0 && length >= size:
		*b.body = data
	case start != 0 && start >= size:
		*b.body = append(bytes.Clone(b.data), data...)
	default:
		return statusBadArgument
	}
	return statusOK
}
