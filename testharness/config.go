package testharness

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// ProxyConfig says what a Proxy is made of. It is immutable: each With method
// returns a changed copy. NewProxy reports what is wrong with it.
type ProxyConfig struct {
	nodeID   string
	cluster  string
	workers  int
	filters  []Filter
	upstream http.Handler
	clusters map[string]http.Handler
	longPoll func(*http.Request) bool
	clock    *Clock
	logLevel LogLevel
	onLog    func(LogEntry)
}

// NewProxyConfig returns a configuration with one worker, no filters, no
// upstream (every request is answered 404 then), and a virtual clock of its
// own that stands at DefaultStart.
func NewProxyConfig() ProxyConfig {
	return ProxyConfig{nodeID: "testharness", cluster: "testharness", workers: 1, logLevel: LogInfo}
}

// WithNodeID sets the node id, which guests read as property xds.node.id.
func (c ProxyConfig) WithNodeID(id string) ProxyConfig { c.nodeID = id; return c }

// WithWorkers sets the number of workers. The main thread, which serves no
// requests, has VMs as well: with n workers there are n+1 of each.
func (c ProxyConfig) WithWorkers(n int) ProxyConfig { c.workers = n; return c }

// WithFilters sets the filter chain, in the order in which requests meet it.
func (c ProxyConfig) WithFilters(filters ...Filter) ProxyConfig {
	c.filters = slices.Clone(filters)
	return c
}

// WithUpstream sets the handler that gets the requests that the filters let
// through, exactly as they left them.
func (c ProxyConfig) WithUpstream(h http.Handler) ProxyConfig { c.upstream = h; return c }

// WithCluster adds a cluster that guests call by name with proxy_http_call.
// The handler may block; its request's context ends when the guest's timeout
// does.
func (c ProxyConfig) WithCluster(name string, h http.Handler) ProxyConfig {
	clusters := maps.Clone(c.clusters)
	if clusters == nil {
		clusters = map[string]http.Handler{}
	}
	clusters[name] = h
	c.clusters = clusters
	return c
}

// WithLongPolls says which requests to clusters and upstream are long polls:
// their handler waits for something to happen. A virtual clock does not wait
// for their answer, see Clock.Settle.
func (c ProxyConfig) WithLongPolls(isLongPoll func(*http.Request) bool) ProxyConfig {
	c.longPoll = isLongPoll
	return c
}

// WithClock sets the clock, for instance one that several proxies share.
func (c ProxyConfig) WithClock(clock *Clock) ProxyConfig { c.clock = clock; return c }

// WithLogLevel sets what guests get from proxy_get_log_level; LogInfo unless
// set. Entries below it are captured all the same.
func (c ProxyConfig) WithLogLevel(level LogLevel) ProxyConfig { c.logLevel = level; return c }

// WithLogHandler has every log entry handed to a function as it comes. It is
// called from several goroutines and must not call the proxy.
func (c ProxyConfig) WithLogHandler(handle func(LogEntry)) ProxyConfig { c.onLog = handle; return c }

func (c ProxyConfig) check() error {
	if c.workers < 1 {
		return fmt.Errorf("a proxy needs at least one worker, not %d", c.workers)
	}
	for i, f := range c.filters {
		if f.module == nil {
			return fmt.Errorf("filter %d (%q) has no module", i, f.name)
		}
	}
	for name, h := range c.clusters {
		if h == nil {
			return errors.New("cluster " + name + " has no handler")
		}
	}
	return nil
}
