// Package gateway runs the filters behind the harness's proxy-wasm host as a
// local reverse proxy: the same wasm modules as in Envoy, for machines that
// have no Envoy. It is made for trying things out, not for the edge of an estate.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// Module is the file with all three filters.
const Module = "partnergate.wasm"

// filters are the root ids in the order in which requests meet them.
var filters = []string{"partner-resolution", "catalog-gate", "quota"}

// cluster is the name under which the filters call the manager.
const cluster = "partnergate"

// Options configure a gateway.
type Options struct {
	Listen     string     // host:port; port 0 is any free one
	ManagerURL string     // where the policy comes from; several managers on one store are separated by commas
	EdgeToken  string     // what the filters show to the manager
	Upstreams  []Upstream // by path prefix; at least one
	ModulesDir string     // holds partnergate.wasm
	CacheDir   string     // keeps compiled code between runs; empty: none
	NodeID     string     // names the proxy to the manager; empty: the host's name
	Workers    int        // 0 is 2
	Logger     *slog.Logger
}

// Gateway is a running gateway. It ends with Stop.
type Gateway struct {
	module  *testharness.Module
	proxy   *testharness.Proxy
	http    *http.Server
	address string
	served  chan struct{}
	err     error // why serving ended; read after served
}

// stopTimeout is how long requests under way may take to end.
const stopTimeout = 3 * time.Second

// Start compiles the module, which takes seconds where no cache has it, and
// serves. It does not wait for a policy: until there is one the filters answer
// 503 policy_unavailable.
func Start(ctx context.Context, o Options) (*Gateway, error) {
	upstream, err := newRouter(o.Upstreams)
	if err != nil {
		return nil, err
	}
	manager, err := newCluster(strings.Split(o.ManagerURL, ","))
	if err != nil {
		return nil, fmt.Errorf("the manager's URL: %w", err)
	}
	listener, err := listen(ctx, o.Listen)
	if err != nil {
		return nil, err
	}
	g := &Gateway{address: listener.Addr().String(), served: make(chan struct{})}
	if err := g.build(ctx, o, upstream, manager); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	g.serve(listener, o.Logger)
	return g, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the gateway's address %s is taken by another process; stop it or choose another address", address)
	}
	if err != nil {
		return nil, fmt.Errorf("the gateway cannot listen on %s: %w", address, err)
	}
	return listener, nil
}

func (g *Gateway) build(ctx context.Context, o Options, upstream, manager http.Handler) error {
	path := filepath.Join(o.ModulesDir, Module)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("the filters are missing: %w; build them with `make wasm`, or give their folder with --modules", err)
	}
	var options []testharness.CompileOption
	if o.CacheDir != "" {
		options = append(options, testharness.WithCacheDir(o.CacheDir))
	}
	var err error
	if g.module, err = testharness.CompileFile(ctx, path, options...); err != nil {
		return err
	}
	chain, err := chainOf(g.module, o)
	if err != nil {
		return errors.Join(err, g.module.Close())
	}
	g.proxy, err = testharness.NewProxy(ctx, testharness.NewProxyConfig().
		WithNodeID(nodeID(o.NodeID)).
		WithWorkers(max(o.Workers, 2)).
		WithClock(testharness.RealClock()).
		WithFilters(chain...).
		WithUpstream(upstream).
		WithCluster(cluster, manager).
		WithLogHandler(logTo(o.Logger)))
	if err != nil {
		return errors.Join(fmt.Errorf("start the filters: %w", err), g.module.Close())
	}
	return nil
}

// chainOf is the filter chain of the Envoy examples: three filters in one VM,
// which take the token from the environment, so that no dump of configuration has it.
func chainOf(module *testharness.Module, o Options) ([]testharness.Filter, error) {
	configuration, err := json.Marshal(map[string]any{
		"manager": map[string]string{
			"cluster": cluster, "authority": "partnergate.internal", "token_env": "PARTNERGATE_EDGE_TOKEN",
		},
		"errors_url": strings.TrimSuffix(first(o.ManagerURL), "/") + "/docs/errors/",
	})
	if err != nil {
		return nil, err
	}
	var chain []testharness.Filter
	for _, root := range filters {
		chain = append(chain, testharness.NewFilter(module).WithName(root).WithRootID(root).WithVMID("partnergate").
			WithConfiguration(configuration).WithEnv("PARTNERGATE_EDGE_TOKEN", o.EdgeToken).
			WithFailPolicy(testharness.FailReload))
	}
	return chain, nil
}

func nodeID(given string) string {
	if given != "" {
		return given
	}
	if host, err := os.Hostname(); err == nil {
		return host
	}
	return "gateway"
}

var levels = map[testharness.LogLevel]slog.Level{
	testharness.LogTrace: slog.LevelDebug, testharness.LogDebug: slog.LevelDebug, testharness.LogInfo: slog.LevelInfo,
	testharness.LogWarn: slog.LevelWarn, testharness.LogError: slog.LevelError, testharness.LogCritical: slog.LevelError,
}

func logTo(logger *slog.Logger) func(testharness.LogEntry) {
	return func(e testharness.LogEntry) {
		logger.Log(context.Background(), levels[e.Level], e.Message, "filter", e.Plugin, "worker", e.Worker)
	}
}

func (g *Gateway) serve(listener net.Listener, logger *slog.Logger) {
	g.http = &http.Server{
		Handler: g.proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(g.served)
		if err := g.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			g.err = fmt.Errorf("serve on %s: %w", g.address, err)
		}
	}()
}

// Address is the host:port listened on.
func (g *Gateway) Address() string { return g.address }

// URL is the base URL of the gateway on this machine.
func (g *Gateway) URL() string { return "http://" + g.address }

// Done is closed when the gateway no longer serves.
func (g *Gateway) Done() <-chan struct{} { return g.served }

// Stop lets requests end, then the filters, which send what they counted, and
// frees the module. It is called once.
func (g *Gateway) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := g.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = g.http.Close()
	}
	<-g.served
	return errors.Join(g.err, err, g.proxy.Close(), g.module.Close())
}
