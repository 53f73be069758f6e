package proxywasm

import "strings"

// bufferType names a buffer of the host (proxy_buffer_type_t).
type bufferType uint32

const (
	callResponseBody    bufferType = 4
	vmConfiguration     bufferType = 6
	pluginConfiguration bufferType = 7
)

// streamRequest is the request's direction (proxy_stream_type_t).
const streamRequest uint32 = 0

// maxSize asks for all of a buffer.
const maxSize = 1<<31 - 1

// GetVMConfiguration returns the VM configuration, as a view; within OnVMStart only.
func GetVMConfiguration() ([]byte, error) { return buffer(vmConfiguration, 0, maxSize) }

// GetPluginConfiguration returns the plugin configuration, as a view; within OnPluginStart only.
func GetPluginConfiguration() ([]byte, error) { return buffer(pluginConfiguration, 0, maxSize) }

func buffer(kind bufferType, start, size int) ([]byte, error) {
	if start < 0 || size < 0 || start > maxSize {
		return nil, ErrBadArgument
	}
	data, status := hostBuffer(kind, uint32(start), uint32(min(size, maxSize-start)))
	return data, statusError(status)
}

// SetTickPeriodMilliSeconds makes the host call OnTick of the active plugin context at this period;
// 0 ends that. On hosts without ticks it is ErrUnimplemented.
func SetTickPeriodMilliSeconds(milliseconds uint32) error {
	return statusError(hostSetTickPeriod(milliseconds))
}

// SetEffectiveContext makes the host functions that follow in this callback act for another context
// of this VM: a stream that is to be resumed, or a plugin. ErrBadArgument if there is none.
func SetEffectiveContext(contextID uint32) error {
	status := hostSetEffectiveContext(contextID)
	if status == StatusOK {
		vm.effective = contextID
	}
	return statusError(status)
}

// GetCurrentTimeNanoseconds returns the host's wall clock: nanoseconds since 1970, UTC.
func GetCurrentTimeNanoseconds() (int64, error) {
	now, status := hostCurrentTime()
	return int64(now), statusError(status)
}

// Path joins the tokens of a property's path as GetProperty and SetProperty take it. It allocates:
// join once and keep the path. A path of one token is that token.
func Path(tokens ...string) string { return strings.Join(tokens, "\x00") }

// GetProperty returns the property at the path (one token, or joined by Path), as a view, in the
// host's encoding: text and bytes as they are, numbers in 8 bytes, little endian, booleans in one.
// ErrNotFound if there is none.
func GetProperty(path string) ([]byte, error) {
	value, status := hostProperty(path)
	return value, statusError(status)
}

// GetPropertyString is GetProperty for text.
func GetPropertyString(path string) (string, error) {
	value, err := GetProperty(path)
	return ViewString(value), err
}

// SetProperty sets a property of the stream. In Envoy a path of one token NAME is what later filters
// read by the same path, and access logs as %FILTER_STATE(wasm.NAME:PLAIN)%.
func SetProperty(path string, value []byte) error {
	return statusError(hostSetProperty(path, value))
}

// SetPropertyString is SetProperty for text.
func SetPropertyString(path, value string) error {
	return SetProperty(path, ViewBytes(value))
}

// PluginRootID returns the root id in the configuration of the active plugin or stream's plugin, as a
// view; it can be asked for from NewPluginContext on. Empty if the host does not tell.
func PluginRootID() string {
	id, _ := GetPropertyString("plugin_root_id") // no root id is an empty one
	return id
}

// GetSharedData returns the value of the key, as a view, with the cas that SetSharedData takes to
// replace just this value; ErrNotFound if the key was never set. The map belongs to all VMs of the
// process with the same vm_id.
func GetSharedData(key string) (value []byte, cas uint32, err error) {
	value, cas, status := hostSharedData(key)
	return value, cas, statusError(status)
}

// TakeSharedData is GetSharedData with a value that is the caller's for good, and was copied once only.
func TakeSharedData(key string) (value string, cas uint32, err error) {
	vm.memory.keeping = true
	view, cas, status := hostSharedData(key)
	vm.memory.keeping = false
	return vm.memory.keep(view), cas, statusError(status)
}

// SetSharedData sets the value of the key. ErrCasMismatch if cas is not the value's: read it again.
// In Envoy cas 0 overwrites whatever is there, and any other cas creates a key that is missing; in
// ngx_wasm_module cas 0 only creates. There is no way to delete.
func SetSharedData(key string, value []byte, cas uint32) error {
	return statusError(hostSetSharedData(key, value, cas))
}

// RegisterSharedQueue makes the active plugin the queue's consumer: OnQueueReady runs in this VM.
func RegisterSharedQueue(name string) (queueID uint32, err error) {
	id, status := hostRegisterQueue(name)
	return id, statusError(status)
}

// ResolveSharedQueue finds a queue that some VM registered; an empty vmID is that of this VM.
func ResolveSharedQueue(vmID, name string) (queueID uint32, err error) {
	id, status := hostResolveQueue(vmID, name)
	return id, statusError(status)
}

// EnqueueSharedQueue puts data at the queue's end and wakes its consumer.
func EnqueueSharedQueue(queueID uint32, data []byte) error {
	return statusError(hostEnqueue(queueID, data))
}

// DequeueSharedQueue takes the first data of the queue, as a view; ErrEmpty if there is none.
func DequeueSharedQueue(queueID uint32) ([]byte, error) {
	data, status := hostDequeue(queueID)
	return data, statusError(status)
}

// logLevel is proxy_log_level_t.
type logLevel uint32

const (
	levelTrace logLevel = iota
	levelDebug
	levelInfo
	levelWarn
	levelError
	levelCritical
)

// LogTrace writes the message to the host's log at this level; likewise the functions below.
func LogTrace(message string)    { hostLog(levelTrace, message) }
func LogDebug(message string)    { hostLog(levelDebug, message) }
func LogInfo(message string)     { hostLog(levelInfo, message) }
func LogWarn(message string)     { hostLog(levelWarn, message) }
func LogError(message string)    { hostLog(levelError, message) }
func LogCritical(message string) { hostLog(levelCritical, message) }
