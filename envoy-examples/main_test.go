package envoyexamples

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentVariable); dir != "" {
		os.Exit(beParent(dir))
	}
	if listen := os.Getenv(managerVariable); listen != "" {
		os.Exit(beManager(listen))
	}
	code := m.Run()
	if err := errors.Join(sharedLab.stop(), sharedEdges.stop(), sharedBackend.stop()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// modulePath is where `make wasm` puts the module; every test here runs the real one.
var modulePath, _ = filepath.Abs("../build/partnergate.wasm") // fails only where the working folder is gone

func module(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat(modulePath); err != nil {
		t.Fatalf("%v; `make wasm` builds it", err)
	}
	return modulePath
}

// once starts something for the first test that needs it. TestMain ends it.
type once[T any] struct {
	start func() (T, error)
	end   func(T) error
	once  sync.Once
	value T
	err   error
	began bool
}

func (o *once[T]) get(t testing.TB) T {
	t.Helper()
	o.once.Do(func() { o.began = true; o.value, o.err = o.start() })
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.value
}

func (o *once[T]) stop() error {
	if !o.began || o.err != nil {
		return o.err
	}
	return o.end(o.value)
}

// started returns what start starts, and ends it with the test.
func started[T any](t testing.TB, start func() (T, error), end func(T) error) T {
	t.Helper()
	value, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(value); err != nil {
			t.Error(err)
		}
	})
	return value
}

// startEnvoy starts one that ends with the test.
func startEnvoy(t testing.TB, options Options) *Envoy {
	t.Helper()
	return started(t, func() (*Envoy, error) { return Launch(context.WithoutCancel(t.Context()), options) }, (*Envoy).Stop)
}

// sharedBackend and sharedEdges serve all tests that do not have to end them.
var (
	sharedBackend = &once[*backend]{start: startBackend, end: (*backend).stop}
	sharedEdges   = edges{"quickstart": sharedEdge("quickstart"), "hardened": sharedEdge("hardened"), "quota-only": sharedEdge("quota-only")}
)

// chained are the examples with three filters. That with one has a test of its own.
var chained = []string{"quickstart", "hardened"}

type edges map[string]*once[*tappedEnvoy]

// tappedEnvoy is an Envoy whose access log a test can listen to.
type tappedEnvoy struct {
	*Envoy
	tap tap
}

func (e edges) stop() (err error) {
	for _, edge := range e {
		err = errors.Join(err, edge.stop())
	}
	return err
}

func sharedEdge(example string) *once[*tappedEnvoy] {
	start := func() (*tappedEnvoy, error) {
		if sharedBackend.value == nil {
			return nil, errors.New("start the shared backend first")
		}
		b, e := sharedBackend.value, &tappedEnvoy{}
		config, err := Render(example, b.places())
		if err != nil {
			return nil, err
		}
		if example == "hardened" {
			if config, err = withTLS(config, b.dir); err != nil {
				return nil, err
			}
		}
		e.Envoy, err = Launch(context.Background(), Options{Config: config, EdgeToken: edgeToken, AccessLog: &e.tap})
		return e, err
	}
	return &once[*tappedEnvoy]{start: start, end: func(e *tappedEnvoy) error { return e.Stop() }}
}

// tap hands an access log to whom listens, from the next whole line on, and else drops it.
type tap struct {
	lock   sync.Mutex
	to     io.Writer
	middle bool // of a line
}

func (t *tap) listen(to io.Writer) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.to = to
}

func (t *tap) Write(p []byte) (int, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	rest := p
	if t.to == nil {
		t.middle = p[len(p)-1] != '\n'
		return len(p), nil
	}
	if t.middle {
		_, rest, _ = bytes.Cut(p, []byte("\n"))
		t.middle = len(rest) == 0 && p[len(p)-1] != '\n'
	}
	if _, err := t.to.Write(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}
