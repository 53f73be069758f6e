//go:build wasip1

// Command guest is a proxy-wasm filter that does what its plugin configuration
// says, for the tests of the harness. Each line of the configuration is
//
//	CALLBACK VERB ARGUMENTS
//
// and each callback obeys its lines in order. What the verbs find they log, as
// "CALLBACK VERB ARGUMENTS = RESULT", or "… ! STATUS" when the host refused.
package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {}

// context is a root context or a stream's.
type context struct {
	id, root uint32
	lines    []string          // of a root context
	token    uint32            // of the shared queue that is ready
	waiting  uint32            // the stream that a root context remembers
	calls    map[uint32]uint32 // the streams whose calls are under way, by token
}

var contexts = map[uint32]*context{}

//go:wasmexport proxy_on_context_create
func onContextCreate(id, parent uint32) {
	c := &context{id: id, root: parent, calls: map[uint32]uint32{}}
	if parent == 0 {
		c.root = id
		c.lines = strings.Split(buffer(7, 0, 1<<20), "\n")
	}
	contexts[id] = c
	run(id, "create")
}

//go:wasmexport proxy_on_vm_start
func onVMStart(id, size uint32) uint32 { return run(id, "vm_start") ^ 1 }

//go:wasmexport proxy_on_configure
func onConfigure(id, size uint32) uint32 { return run(id, "configure") ^ 1 }

//go:wasmexport proxy_on_tick
func onTick(id uint32) { run(id, "tick") }

//go:wasmexport proxy_on_queue_ready
func onQueueReady(id, token uint32) {
	contexts[id].token = token
	run(id, "queue_ready")
}

//go:wasmexport proxy_on_http_call_response
func onHTTPCallResponse(id, token, headers, body, trailers uint32) {
	c := contexts[id]
	log("call_response token=" + itoa(token) + " headers=" + itoa(headers) + " body=" + itoa(body) + " trailers=" + itoa(trailers))
	if stream := c.calls[token]; stream != 0 {
		proxySetEffectiveContext(stream)
	}
	delete(c.calls, token)
	run(id, "call_response")
}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(id, n, end uint32) uint32 { return run(id, "request_headers", end) }

//go:wasmexport proxy_on_request_body
func onRequestBody(id, n, end uint32) uint32 { return run(id, "request_body", end, n) }

//go:wasmexport proxy_on_request_trailers
func onRequestTrailers(id, n uint32) uint32 { return run(id, "request_trailers") }

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(id, n, end uint32) uint32 { return run(id, "response_headers", end) }

//go:wasmexport proxy_on_response_body
func onResponseBody(id, n, end uint32) uint32 { return run(id, "response_body", end, n) }

//go:wasmexport proxy_on_response_trailers
func onResponseTrailers(id, n uint32) uint32 { return run(id, "response_trailers") }

//go:wasmexport proxy_on_done
func onDone(id uint32) uint32 { return run(id, "done") ^ 1 }

//go:wasmexport proxy_on_log
func onLog(id uint32) { run(id, "log") }

//go:wasmexport proxy_on_delete
func onDelete(id uint32) {
	run(id, "delete")
	delete(contexts, id)
}

// run obeys the lines of a callback. Its result is 0 unless a line says
// otherwise. The verb trace logs the callback with its numbers.
func run(id uint32, callback string, numbers ...uint32) uint32 {
	c := contexts[id]
	result := uint32(0)
	for _, line := range contexts[c.root].lines {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != callback && words[0] != "*" {
			continue
		}
		switch words[1] {
		case "return":
			result = number(words[2])
		case "return-unless-end":
			if numbers[0] == 0 {
				result = number(words[2])
			}
		case "if-header": // go on only if the request has the header
			var g given
			if proxyGetHeaderMapValue(0, ptr(words[2]), size(words[2]), address(&g.ptr), address(&g.size)) != 0 {
				return result
			}
			g.take()
		case "effective": // go on only if the remembered stream is still there
			if proxySetEffectiveContext(contexts[c.root].waiting) != 0 {
				return result
			}
		case "trace":
			text := callback
			for _, n := range numbers {
				text += " " + itoa(n)
			}
			log(text)
		default:
			obey(c, line, words[1:])
		}
	}
	return result
}

var statuses = []string{"ok", "not found", "bad argument", "serialization failure", "parse failure", "bad expression",
	"invalid memory access", "empty", "cas mismatch", "result mismatch", "internal failure", "broken connection", "unimplemented"}

// answer logs what a verb came to.
func answer(line string, status uint32, value string) {
	if status != 0 {
		log(line + " ! " + statuses[status])
		return
	}
	log(line + " = " + value)
}

// obey does what one line says.
func obey(c *context, line string, words []string) {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	rest := func(i int) string { return strings.Join(words[min(i, len(words)):], " ") }
	var g given
	switch words[0] {
	case "log":
		log(rest(1))
	case "get":
		s := proxyGetHeaderMapValue(number(arg(1)), ptr(arg(2)), size(arg(2)), address(&g.ptr), address(&g.size))
		answer(line, s, g.take())
	case "pairs":
		s := proxyGetHeaderMapPairs(number(arg(1)), address(&g.ptr), address(&g.size))
		answer(line, s, showPairs(g.take()))
	case "add":
		done(line, proxyAddHeaderMapValue(number(arg(1)), ptr(arg(2)), size(arg(2)), ptr(rest(3)), size(rest(3))))
	case "set":
		done(line, proxyReplaceHeaderMapValue(number(arg(1)), ptr(arg(2)), size(arg(2)), ptr(rest(3)), size(rest(3))))
	case "remove":
		done(line, proxyRemoveHeaderMapValue(number(arg(1)), ptr(arg(2)), size(arg(2))))
	case "set-pairs":
		data := makePairs(words[2:])
		done(line, proxySetHeaderMapPairs(number(arg(1)), ptr(data), size(data)))
	case "map-size":
		var n uint32
		s := proxyGetHeaderMapSize(number(arg(1)), address(&n))
		answer(line, s, itoa(n))
	case "buffer":
		s := proxyGetBufferBytes(number(arg(1)), number(arg(2)), number(arg(3)), address(&g.ptr), address(&g.size))
		answer(line, s, g.take())
	case "buffer-size":
		var n, flags uint32
		s := proxyGetBufferStatus(number(arg(1)), address(&n), address(&flags))
		answer(line, s, itoa(n))
	case "set-buffer":
		done(line, proxySetBufferBytes(number(arg(1)), number(arg(2)), number(arg(3)), ptr(rest(4)), size(rest(4))))
	case "property":
		path := strings.ReplaceAll(arg(1), "|", "\x00")
		s := proxyGetProperty(ptr(path), size(path), address(&g.ptr), address(&g.size))
		answer(line, s, g.take())
	case "set-property":
		done(line, proxySetProperty(ptr(arg(1)), size(arg(1)), ptr(rest(2)), size(rest(2))))
	case "reply":
		headers, details := makePairs(strings.Split(arg(3), ",")), strings.ReplaceAll(arg(2), "+", " ")
		done(line, proxySendLocalResponse(number(arg(1)), ptr(details), size(details), ptr(rest(4)), size(rest(4)), ptr(headers), size(headers), -1))
	case "continue":
		done(line, proxyContinueStream(number(arg(1))))
	case "close":
		done(line, proxyCloseStream(number(arg(1))))
	case "call": // cluster path timeout body
		headers := makePairs([]string{":method=POST", ":path=" + arg(2), ":authority=" + arg(1)})
		if arg(2) == "-" {
			headers = makePairs(nil)
		}
		var token uint32
		s := proxyHTTPCall(ptr(arg(1)), size(arg(1)), ptr(headers), size(headers), ptr(rest(4)), size(rest(4)), nil, 0, number(arg(3)), address(&token))
		answer(line, s, itoa(token))
		if c.id != c.root {
			contexts[c.root].calls[token] = c.id
		}
	case "wait": // remember the stream for later callbacks of the root context
		contexts[c.root].waiting = c.id
	case "status":
		var code uint32
		s := proxyGetStatus(address(&code), address(&g.ptr), address(&g.size))
		answer(line, s, itoa(code)+" "+g.take())
	case "shared":
		var cas uint32
		s := proxyGetSharedData(ptr(arg(1)), size(arg(1)), address(&g.ptr), address(&g.size), address(&cas))
		answer(line, s, g.take()+" cas "+itoa(cas))
	case "share":
		done(line, proxySetSharedData(ptr(arg(1)), size(arg(1)), ptr(rest(3)), size(rest(3)), number(arg(2))))
	case "increment": // by compare and swap
		increment(arg(1))
	case "queue":
		var token uint32
		s := proxyRegisterSharedQueue(ptr(arg(1)), size(arg(1)), address(&token))
		answer(line, s, itoa(token))
	case "enqueue": // vm_id name value
		var token uint32
		vmID := strings.Trim(arg(1), "-")
		s := proxyResolveSharedQueue(ptr(vmID), size(vmID), ptr(arg(2)), size(arg(2)), address(&token))
		if s == 0 {
			s = proxyEnqueueSharedQueue(token, ptr(rest(3)), size(rest(3)))
		}
		answer(line, s, itoa(token))
	case "dequeue":
		s := proxyDequeueSharedQueue(c.token, address(&g.ptr), address(&g.size))
		answer(line, s, g.take())
	case "count": // kind name by
		var id uint32
		s := proxyDefineMetric(number(arg(1)), ptr(arg(2)), size(arg(2)), address(&id))
		if s == 0 {
			s = proxyIncrementMetric(id, int64(signed(arg(3))))
		}
		done(line, s)
	case "record":
		var id uint32
		s := proxyDefineMetric(number(arg(1)), ptr(arg(2)), size(arg(2)), address(&id))
		if s == 0 {
			s = proxyRecordMetric(id, uint64(number(arg(3))))
		}
		answer(line, s, itoa(id))
	case "metric":
		var id uint32
		var value uint64
		s := proxyDefineMetric(number(arg(1)), ptr(arg(2)), size(arg(2)), address(&id))
		if s == 0 {
			s = proxyGetMetric(id, address(&value))
		}
		answer(line, s, strconv.FormatUint(value, 10))
	case "tick":
		done(line, proxySetTickPeriod(number(arg(1))))
	case "time":
		var t uint64
		s := proxyGetCurrentTime(address(&t))
		answer(line, s, strconv.FormatUint(t, 10)+" "+time.Now().UTC().Format(time.RFC3339))
	case "level":
		var n uint32
		s := proxyGetLogLevel(address(&n))
		answer(line, s, itoa(n))
	case "env":
		answer(line, 0, os.Getenv(arg(1)))
	case "print":
		println(rest(1))
	case "foreign":
		done(line, proxyCallForeignFunction(ptr(arg(1)), size(arg(1)), nil, 0, address(&g.ptr), address(&g.size)))
	case "proxy-done":
		done(line, proxyDone())
	case "sleep":
		time.Sleep(time.Duration(number(arg(1))) * time.Millisecond)
	default:
		misbehave(line, words)
	}
}

func increment(key string) {
	for {
		var g given
		var cas uint32
		n := 0
		if proxyGetSharedData(ptr(key), size(key), address(&g.ptr), address(&g.size), address(&cas)) == 0 {
			n, _ = strconv.Atoi(g.take())
		}
		value := strconv.Itoa(n + 1)
		if proxySetSharedData(ptr(key), size(key), ptr(value), size(value), cas) == 0 {
			return
		}
	}
}

// done logs only refusals.
func done(line string, status uint32) {
	if status != 0 {
		answer(line, status, "")
	}
}

func log(text string) { proxyLog(2, ptr(text), size(text)) }

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic("bad number " + s)
	}
	return uint32(n)
}

func signed(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("bad number " + s)
	}
	return n
}

func buffer(kind, start, length uint32) string {
	var g given
	proxyGetBufferBytes(kind, start, length, address(&g.ptr), address(&g.size))
	return g.take()
}
