package testharness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// pageSize is the size of a page of linear memory; maxMemoryPages is what a VM
// gets unless told otherwise, 1 GiB
// (PROXY_WASM_HOST_MAX_WASM_MEMORY_SIZE_BYTES, proxy-wasm/limits.h).
const (
	pageSize       = 64 << 10
	maxMemoryPages = 16384
)

// Module is a compiled filter binary. It is compiled once and may be used by
// any number of filters and proxies at the same time. Close it after the last
// proxy that uses it.
type Module struct {
	hash     [sha256.Size]byte
	cache    wazero.CompilationCache
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// CompileOption changes how Compile works.
type CompileOption func(*compileOptions)

type compileOptions struct {
	cacheDir    string
	abiMarker   string
	memoryPages uint32
}

// WithCacheDir keeps compiled code in a directory, so that later processes
// need not compile the same binary again. The directory is made when it does
// not exist; its content belongs to wazero and may be deleted at any time
// while no module uses it.
func WithCacheDir(dir string) CompileOption {
	return func(o *compileOptions) { o.cacheDir = dir }
}

// WithMemoryLimit bounds the linear memory of each VM, in bytes, rounded down
// to pages of 64 KiB. It is 1 GiB otherwise, as in Envoy.
func WithMemoryLimit(bytes int) CompileOption {
	return func(o *compileOptions) { o.memoryPages = uint32(min(max(bytes, 0)/pageSize, 1<<16)) }
}

// WithABIMarker accepts a module that exports another marker instead of
// proxy_abi_version_0_2_0 or proxy_abi_version_0_2_1. Forks of Envoy have
// variants of the ABI with markers of their own, which Envoy refuses; such a
// module runs here as long as it imports nothing that ABI 0.2.1 does not have.
func WithABIMarker(export string) CompileOption {
	return func(o *compileOptions) { o.abiMarker = export }
}

// CompileFile compiles the module in a file. See Compile.
func CompileFile(ctx context.Context, path string, options ...CompileOption) (*Module, error) {
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read wasm module: %w", err)
	}
	module, err := Compile(ctx, code, options...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return module, nil
}

// Compile compiles a filter binary and checks that this host can run it. The
// error names every import that the host does not have, as module.function.
func Compile(ctx context.Context, code []byte, options ...CompileOption) (*Module, error) {
	o := compileOptions{memoryPages: maxMemoryPages}
	for _, option := range options {
		option(&o)
	}
	module := &Module{hash: sha256.Sum256(code)}
	if err := module.compile(ctx, code, o); err != nil {
		return nil, errors.Join(err, module.Close())
	}
	return module, nil
}

func (m *Module) compile(ctx context.Context, code []byte, o compileOptions) (err error) {
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(o.memoryPages)
	if o.cacheDir != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(o.cacheDir); err != nil {
			return fmt.Errorf("open compilation cache %s: %w", o.cacheDir, err)
		}
		config = config.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if m.compiled, err = m.runtime.CompileModule(ctx, code); err != nil {
		return fmt.Errorf("compile wasm module: %w", err)
	}
	if err = checkExports(m.compiled, o.abiMarker); err != nil {
		return err
	}
	if err = m.instantiateHost(ctx); err != nil {
		return fmt.Errorf("set up host functions: %w", err)
	}
	return m.checkImports()
}

// Close frees the compiled code. Close every proxy that uses the module first.
func (m *Module) Close() error {
	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(context.Background()))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(context.Background()))
	}
	return errors.Join(errs...)
}

// instantiateHost makes the modules that guests import from: env with the
// proxy-wasm functions, and WASI under its present and its older name.
func (m *Module) instantiateHost(ctx context.Context) error {
	env := m.runtime.NewHostModuleBuilder("env")
	for _, f := range hostFunctions {
		env.NewFunctionBuilder().WithGoModuleFunction(f.goModuleFunction(), f.params, f.results).Export(f.name)
	}
	if _, err := env.Instantiate(ctx); err != nil {
		return err
	}
	for _, name := range []string{wasi_snapshot_preview1.ModuleName, "wasi_unstable"} {
		wasi := m.runtime.NewHostModuleBuilder(name)
		wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(wasi)
		wasi.NewFunctionBuilder().WithGoModuleFunction(procExit, i32s(1), nil).Export("proc_exit")
		if _, err := wasi.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkImports names the imports that are unknown or have another signature
// than the host's.
func (m *Module) checkImports() error {
	var problems []string
	for _, imported := range m.compiled.ImportedFunctions() {
		module, name, _ := imported.Import()
		if host := m.runtime.Module(module); host == nil {
			problems = append(problems, module+"."+name+" (unknown)")
		} else if f, ok := host.ExportedFunctionDefinitions()[name]; !ok {
			problems = append(problems, module+"."+name+" (unknown)")
		} else if !sameTypes(f, imported) {
			problems = append(problems, module+"."+name+" (another signature than the host's)")
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("the module imports what this proxy-wasm 0.2.1 host does not have: %s", strings.Join(problems, ", "))
	}
	return nil
}

// checkExports finds the ABI version as proxy-wasm-cpp-host does, by the name
// of an exported marker (src/bytecode_util.cc), and the allocator.
func checkExports(compiled wazero.CompiledModule, abiMarker string) error {
	exports := compiled.ExportedFunctions()
	_, v020 := exports["proxy_abi_version_0_2_0"]
	_, v021 := exports["proxy_abi_version_0_2_1"]
	_, other := exports[abiMarker]
	if !v020 && !v021 && !other {
		return unknownABI(exports)
	}
	_, malloc := exports["malloc"]
	_, allocate := exports["proxy_on_memory_allocate"]
	if !malloc && !allocate {
		return errors.New("the module exports neither malloc nor proxy_on_memory_allocate")
	}
	if compiled.ExportedMemories()["memory"] == nil {
		return errors.New("the module exports no memory")
	}
	return checkCallbacks(exports)
}

// unknownABI says what a module without a known marker seems to be.
func unknownABI(exports map[string]api.FunctionDefinition) error {
	for name := range exports {
		if version, ok := strings.CutPrefix(name, "proxy_abi_version_"); ok {
			return fmt.Errorf("the module is built for proxy-wasm ABI %s; this host runs 0.2.0 and 0.2.1", strings.ReplaceAll(version, "_", "."))
		}
	}
	return errors.New("the module exports no proxy_abi_version_0_2_0 or proxy_abi_version_0_2_1: it is no proxy-wasm filter, or was built as a command instead of a reactor (with Go: -buildmode=c-shared)")
}
