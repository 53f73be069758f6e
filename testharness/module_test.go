package testharness_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/testharness"
)

// wasm assembles a small module by hand, for what compilers do not produce.
type wasm struct {
	imports [][3]string // module, name, type: the number of i32 parameters, and "r" with a result
	funcs   []wasmFunc
	memory  bool
}

type wasmFunc struct {
	export string
	typ    string // as of imports
	body   []byte
}

const end = 0x0b

// i32Const pushes a number below 64.
func i32Const(n byte) []byte { return []byte{0x41, n} }

func call(function byte) []byte { return []byte{0x10, function} }

func code(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return append(all, end)
}

func leb(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func section(id byte, items ...[]byte) []byte {
	content := leb(len(items))
	for _, item := range items {
		content = append(content, item...)
	}
	return append(append([]byte{id}, leb(len(content))...), content...)
}

func name(s string) []byte { return append(leb(len(s)), s...) }

func funcType(t string) []byte {
	n := int(t[0] - '0')
	b := append([]byte{0x60}, leb(n)...)
	b = append(b, strings.Repeat("\x7f", n)...)
	if strings.HasSuffix(t, "r") {
		return append(b, 1, 0x7f)
	}
	return append(b, 0)
}

func (w wasm) bytes() []byte {
	var types, imports, funcs, exports, bodies [][]byte
	index := func(t string) byte {
		types = append(types, funcType(t))
		return byte(len(types) - 1)
	}
	for _, i := range w.imports {
		imports = append(imports, append(append(name(i[0]), name(i[1])...), 0, index(i[2])))
	}
	for i, f := range w.funcs {
		funcs = append(funcs, []byte{index(f.typ)})
		exports = append(exports, append(name(f.export), 0, byte(len(w.imports)+i)))
		body := append([]byte{0}, f.body...)
		bodies = append(bodies, append(leb(len(body)), body...))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, section(1, types...)...)
	out = append(out, section(2, imports...)...)
	out = append(out, section(3, funcs...)...)
	if w.memory {
		out = append(out, section(5, []byte{0, 1})...)
		exports = append(exports, append(name("memory"), 2, 0))
	}
	out = append(out, section(7, exports...)...)
	return append(out, section(10, bodies...)...)
}

func abi(version string) wasmFunc {
	return wasmFunc{"proxy_abi_version_" + version, "0", code()}
}

func malloc(body ...[]byte) wasmFunc { return wasmFunc{"malloc", "1r", code(body...)} }

func TestModulesThatCannotRun(t *testing.T) {
	tests := map[string]struct {
		wasm wasm
		want string
	}{
		"unknown imports": {
			wasm{imports: [][3]string{{"env", "proxy_redis_call", "3r"}, {"redis", "get", "1"}, {"env", "proxy_log", "3r"}}, memory: true, funcs: []wasmFunc{abi("0_2_1"), malloc(i32Const(0))}},
			"env.proxy_redis_call (unknown), redis.get (unknown)",
		},
		"another signature": {
			wasm{imports: [][3]string{{"env", "proxy_log", "2r"}}, memory: true, funcs: []wasmFunc{abi("0_2_0"), malloc(i32Const(0))}},
			"env.proxy_log (another signature than the host's)",
		},
		"older ABI":                  {wasm{funcs: []wasmFunc{abi("0_1_0"), malloc(i32Const(0))}}, "built for proxy-wasm ABI 0.1.0"},
		"no ABI":                     {wasm{funcs: []wasmFunc{malloc(i32Const(0))}}, "-buildmode=c-shared"},
		"no allocator":               {wasm{funcs: []wasmFunc{abi("0_2_1")}}, "neither malloc nor proxy_on_memory_allocate"},
		"no memory":                  {wasm{funcs: []wasmFunc{abi("0_2_1"), malloc(i32Const(0))}}, "exports no memory"},
		"callback with a wrong type": {wasm{memory: true, funcs: []wasmFunc{abi("0_2_1"), malloc(i32Const(0)), {"proxy_on_tick", "0", code()}}}, "proxy_on_tick with another signature"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			module, err := testharness.Compile(t.Context(), test.wasm.bytes())
			if err == nil {
				t.Fatal("compiled", module.Close())
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
	if _, err := testharness.Compile(t.Context(), []byte("<html>")); err == nil {
		t.Error("HTML compiled")
	}
	if _, err := testharness.CompileFile(t.Context(), "none.wasm"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// compile compiles a module made by hand.
func compile(t *testing.T, w wasm, options ...testharness.CompileOption) *testharness.Module {
	t.Helper()
	module, err := testharness.Compile(t.Context(), w.bytes(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := module.Close(); err != nil {
			t.Error(err)
		}
	})
	return module
}

// headers asks for the header pairs and stores where they are at 16 and 20.
func headers(function byte) []byte {
	return code(i32Const(0), i32Const(16), i32Const(20), call(function), []byte{0x1a}, i32Const(0))
}

// TestHostileAllocators hands the host memory that is not there.
func TestHostileAllocators(t *testing.T) {
	pairs := [][3]string{{"env", "proxy_get_header_map_pairs", "3r"}}
	for name, test := range map[string]struct {
		body   []byte
		status int
	}{
		"null":           {i32Const(0), 200}, // the guest is told and goes on
		"out of bounds":  {[]byte{0x41, 0x7f}, 200},
		"traps":          {[]byte{0x00}, 503},
		"calls the host": {append(append(i32Const(0), i32Const(16)...), append(i32Const(20), call(0)...)...), 503},
	} {
		t.Run(name, func(t *testing.T) {
			module := compile(t, wasm{imports: pairs, memory: true, funcs: []wasmFunc{
				abi("0_2_1"), malloc(test.body), {"proxy_on_request_headers", "3r", headers(0)},
			}})
			p := start(t, config(testharness.NewFilter(module)))
			if r := do(t, p, request("GET", "/")); r.StatusCode != test.status {
				t.Error(r.Status, p.Logs())
			}
		})
	}
}

func TestCommandModules(t *testing.T) {
	logs := [][3]string{{"env", "proxy_log", "3r"}, {"env", "proxy_done", "0r"}, {"wasi_unstable", "proc_exit", "1"}}
	log := append(append(i32Const(2), i32Const(0)...), append(i32Const(0), call(0)...)...)
	drop := []byte{0x1a}
	base := []wasmFunc{abi("0_2_0"), malloc(i32Const(0))}

	module := compile(t, wasm{imports: logs, memory: true, funcs: append(base, wasmFunc{"_start", "0", code(log, drop)})})
	p := start(t, config(testharness.NewFilter(module)))
	if got := len(p.Logs()); got != 3 { // canary, main thread, worker
		t.Error(got, "log entries")
	}
	if r := do(t, p, request("GET", "/")); r.StatusCode != 200 {
		t.Error(r.Status)
	}

	module = compile(t, wasm{imports: logs, memory: true, funcs: append(base, wasmFunc{"_start", "0", code(i32Const(0), call(2))})})
	p = start(t, config(testharness.NewFilter(module))) // exit(0) is a command's ordinary end
	if r := do(t, p, request("GET", "/")); r.StatusCode != 200 {
		t.Error(r.Status)
	}

	for want, body := range map[string][]byte{
		"proxy_done may not be called while the module initialises": code(call(1), drop),
		"the guest called proc_exit(7)":                             code(i32Const(7), call(2)),
	} {
		module := compile(t, wasm{imports: logs, memory: true, funcs: append(base, wasmFunc{"_start", "0", body})})
		if _, err := testharness.NewProxy(t.Context(), config(testharness.NewFilter(module))); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
}

func TestForeignMarkerIsAccepted(t *testing.T) {
	w := wasm{memory: true, funcs: []wasmFunc{abi("0_2_100"), malloc(i32Const(0))}}
	if _, err := testharness.Compile(t.Context(), w.bytes()); err == nil || !strings.Contains(err.Error(), "ABI 0.2.100") {
		t.Error(err)
	}
	p := start(t, config(testharness.NewFilter(compile(t, w, testharness.WithABIMarker("proxy_abi_version_0_2_100")))))
	if r := do(t, p, request("GET", "/")); r.StatusCode != 200 {
		t.Error(r.Status)
	}
}

func TestCacheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	w := wasm{memory: true, funcs: []wasmFunc{abi("0_2_1"), malloc(i32Const(0))}}
	for range 2 {
		p := start(t, config(testharness.NewFilter(compile(t, w, testharness.WithCacheDir(dir)))))
		do(t, p, request("GET", "/"))
	}
	if entries, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(entries) == 0 {
		t.Error("nothing was cached:", err)
	}
}
