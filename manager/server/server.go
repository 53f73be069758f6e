package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/httpapi"
)

// Wiring is what the program chooses for the server.
type Wiring struct {
	OpenStore func(ctx context.Context, url string) (manager.Store, error)
	NewPortal func(service *manager.Service, publicURL, adminToken string, logger *slog.Logger) (http.Handler, error)
}

// Timeouts of the HTTP server. An answer may take a long poll of 25 s, and a
// proxy far away may need long for a whole snapshot.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 60 * time.Second
	writeTimeout  = 90 * time.Second
	idleTimeout   = 120 * time.Second
	stopTimeout   = 6 * time.Second // so that with closing the store and sending traces all is over within 10 s
)

// Server is a running manager. It ends with Stop.
type Server struct {
	service *manager.Service
	store   manager.Store
	traces  tracing
	address string
	http    *endpoint
	metrics *endpoint // nil: with the rest
}

// Start checks the settings, opens the store and serves. ctx bounds the start alone.
func Start(ctx context.Context, settings Settings, wiring Wiring, logger *slog.Logger) (*Server, error) {
	if err := settings.Check(); err != nil {
		return nil, err
	}
	// This comes before the store is opened, since a second server started by
	// mistake is told by its port.
	listener, err := listen(ctx, settings.Listen, "listen", ListenVariable)
	if err != nil {
		return nil, err
	}
	if settings.MetricsListen == "" {
		s, err := start(ctx, settings, wiring, logger, listener, nil)
		if err != nil {
			err = errors.Join(err, listener.Close())
		}
		return s, err
	}
	metrics, err := listen(ctx, settings.MetricsListen, "metrics-listen", MetricsListenVariable)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s, err := start(ctx, settings, wiring, logger, listener, metrics)
	if err != nil {
		err = errors.Join(err, listener.Close(), metrics.Close())
	}
	return s, err
}

// start serves metrics with the rest where it gets no listener for them.
func start(ctx context.Context, settings Settings, wiring Wiring, logger *slog.Logger, listener, metricsListener net.Listener) (*Server, error) {
	store, err := wiring.OpenStore(ctx, settings.Store)
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", redact(settings.Store), err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	traces, err := startTracing(ctx, settings, logger)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	metrics := manager.NewMetrics(registry)
	service, err := manager.NewService(ctx, manager.Config{Store: store, Logger: logger, Metrics: metrics, Tracer: traces.tracer(),
		AuditKept: settings.AuditKept()})
	if err != nil {
		traces.stop()
		return nil, errors.Join(err, store.Close())
	}
	s := &Server{service: service, store: store, traces: traces, address: listener.Addr().String()}
	open := registry // what metrics everybody may read
	if metricsListener != nil {
		open = nil
	}
	handler, err := s.handler(settings, wiring, logger, open, metrics)
	if err != nil {
		service.Close()
		traces.stop()
		return nil, errors.Join(err, store.Close())
	}
	s.http = serve(handler, listener, logger)
	if metricsListener != nil {
		s.metrics = serve(httpapi.MetricsHandler(registry), metricsListener, logger)
	}
	return s, nil
}

func (s *Server) handler(settings Settings, wiring Wiring, logger *slog.Logger, registry *prometheus.Registry, metrics *manager.Metrics) (http.Handler, error) {
	public := strings.TrimRight(settings.PublicURL, "/")
	if public == "" {
		public = s.URL()
	}
	portal, err := wiring.NewPortal(s.service, public, settings.AdminToken, logger)
	if err != nil {
		return nil, fmt.Errorf("build the portal: %w", err)
	}
	return httpapi.New(httpapi.Config{
		Service: s.service, AdminToken: settings.AdminToken, EdgeTokens: settings.EdgeTokens(),
		ModulesDir: settings.ModulesDir, Registry: registry, Logger: logger, Portal: portal, TrustedProxies: settings.Proxies(),
		Metrics: metrics, Tracing: s.traces.http(), PublicURL: public,
	}), nil
}

// Service is the domain that is served.
func (s *Server) Service() *manager.Service { return s.service }

// Address is the host:port listened on.
func (s *Server) Address() string { return s.address }

// MetricsAddress is the host:port where metrics alone are served; empty where they are with the rest.
func (s *Server) MetricsAddress() string {
	if s.metrics == nil {
		return ""
	}
	return s.metrics.address
}

// URL is where this machine reaches the server.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return "http://" + s.address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// open tells whether other machines can reach the server.
func (s *Server) open() bool {
	host, _, err := net.SplitHostPort(s.address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && !ip.IsLoopback()
}

// Done is closed when the server no longer serves, whoever ended it.
func (s *Server) Done() <-chan struct{} { return s.http.served }

// Stop ends long polls at once, lets other requests finish for a few seconds
// and closes the store. It is called once.
func (s *Server) Stop() error {
	s.service.Close()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := errors.Join(s.http.stop(ctx), s.metrics.stop(ctx))
	s.traces.stop()
	return errors.Join(err, s.store.Close())
}

// Run starts a server and stops it when ctx ends.
func Run(ctx context.Context, settings Settings, wiring Wiring, logger *slog.Logger) error {
	s, err := Start(ctx, settings, wiring, logger)
	if err != nil {
		return err
	}
	logger.Info("manager is serving", "address", s.Address(), "url", s.URL(), "store", redact(settings.Store), "policy_version", s.service.PolicyVersion())
	if address := s.MetricsAddress(); address != "" {
		logger.Info("metrics are served on their own", "address", address)
	}
	if s.open() && !strings.HasPrefix(settings.PublicURL, "https://") {
		logger.Warn("the manager listens beyond this machine without TLS: passwords and tokens can be read on the way; " +
			"put a proxy with TLS in front of it and set " + PublicURLVariable + " to its https URL")
	}
	select {
	case <-ctx.Done():
		logger.Info("manager is stopping")
	case <-s.Done():
	}
	return s.Stop()
}
