package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
)

// endpoint is an address that is served.
type endpoint struct {
	http    *http.Server
	address string
	served  chan struct{} // closed when HTTP has ended
	err     error         // why; read after served
}

// listen takes an address, of which a flag and a variable speak.
func listen(ctx context.Context, address, flag, variable string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is taken by another process; stop it, or choose another with --%s or %s", address, flag, variable)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose another address with --%s or %s", address, err, flag, variable)
	}
	return listener, nil
}

func serve(handler http.Handler, listener net.Listener, logger *slog.Logger) *endpoint {
	e := &endpoint{address: listener.Addr().String(), served: make(chan struct{}), http: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(e.served)
		if err := e.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.err = fmt.Errorf("serve on %s: %w", e.address, err)
			logger.Error("an address is served no longer", "address", e.address, "error", err)
		}
	}()
	return e
}

// stop lets requests finish until ctx ends.
func (e *endpoint) stop(ctx context.Context) error {
	if e == nil {
		return nil
	}
	err := e.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = e.http.Close() // what still runs after so long is cut off
	}
	<-e.served
	return errors.Join(e.err, err)
}
