//go:build wasip1

package main

import (
	"encoding/binary"
	"os"
	"strings"
	"unsafe"
)

// makePairs serialises NAME=VALUE words; "-" and "" are none.
func makePairs(words []string) string {
	var names, values []string
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if ok {
			names, values = append(names, name), append(values, value)
		}
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(names)))
	for i := range names {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(names[i])))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(values[i])))
	}
	for i := range names {
		b = append(append(b, names[i]...), 0)
		b = append(append(b, values[i]...), 0)
	}
	return string(b)
}

// showPairs writes pairs as name=value, with blanks between.
func showPairs(s string) string {
	if s == "" {
		return ""
	}
	b := []byte(s)
	n := binary.LittleEndian.Uint32(b)
	sizes, rest := b[4:4+8*n], b[4+8*n:]
	var shown []string
	for i := range n {
		nameSize, valueSize := binary.LittleEndian.Uint32(sizes[8*i:]), binary.LittleEndian.Uint32(sizes[8*i+4:])
		name := string(rest[:nameSize])
		value := string(rest[nameSize+1 : nameSize+1+valueSize])
		rest = rest[nameSize+valueSize+2:]
		shown = append(shown, name+"="+value)
	}
	return strings.Join(shown, " ")
}

var sink []byte

// misbehave does what a filter should not do.
func misbehave(line string, words []string) {
	out := unsafe.Pointer(uintptr(0xfffffff0))
	switch words[0] {
	case "panic":
		panic("the guest panics on purpose")
	case "overrun": // have the host read and write far outside of memory
		answer(line, proxyLog(2, out, 100), "read")
		answer(line, proxyGetCurrentTime(out), "written")
		answer(line, proxyGetHeaderMapPairs(0, out, out), "written")
		answer(line, proxySetHeaderMapPairs(0, out, 0xffffffff), "read")
		answer(line, proxySetSharedData(out, 0xffffffff, out, 0xffffffff, 0), "read")
		answer(line, proxyHTTPCall(out, 1, out, 1, out, 1, out, 1, 1, out), "read")
	case "garbage": // hand over pairs that contradict themselves
		for _, data := range []string{"", "\x01", "\xff\xff\xff\xff", "\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", "\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00axbx"} {
			answer(line, proxySetHeaderMapPairs(0, ptr(data), size(data)), "taken")
		}
	case "trap":
		var p *int
		p = (*int)(out)
		*p = 1
	case "exit":
		os.Exit(3)
	case "hog":
		for {
			sink = append(sink, make([]byte, 64<<20)...)
		}
	case "recurse":
		log("depth " + itoa(recurse(1)))
	default:
		panic("unknown verb " + words[0])
	}
}

func recurse(n uint32) uint32 {
	var space [1024]byte
	space[n%1024] = byte(n)
	return recurse(n+1) + uint32(space[(n+1)%1024])
}
