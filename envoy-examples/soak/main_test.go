package soak

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/mongo"
	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/portal"
)

var (
	length = flag.Duration("soak.for", 15*time.Second, "how long traffic runs; from 5m on with three members of MongoDB and everything else of a whole soak")
	seed   = flag.Uint64("soak.seed", 1, "what decides which call, change and fault comes next")
)

const (
	adminToken = "admin-token-of-the-soak-0123456789"
	edgeToken  = "edge-token-of-the-soak-0123456789-"

	// Set in a process that is a manager: where it listens, and its store.
	listenVariable = "PARTNERGATE_SOAK_LISTEN"
	storeVariable  = "PARTNERGATE_SOAK_STORE"
)

func TestMain(m *testing.M) {
	if listen := os.Getenv(listenVariable); listen != "" {
		os.Exit(beManager(listen, os.Getenv(storeVariable)))
	}
	os.Exit(m.Run())
}

// beManager is what `partnergate serve` puts together. It also ends when its parent does.
func beManager(listen, store string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(3)
	}()
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.Start(ctx, server.Settings{Listen: listen, Store: store, AdminToken: adminToken, EdgeToken: edgeToken},
		server.Wiring{OpenStore: openStore, NewPortal: newPortal}, logger)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.Address())
	<-ctx.Done()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func openStore(ctx context.Context, url string) (manager.Store, error) { return mongo.Open(ctx, url) }

func newPortal(service *manager.Service, publicURL, adminToken string, logger *slog.Logger) (http.Handler, error) {
	return portal.New(portal.Config{Service: service, PublicURL: publicURL, AdminToken: adminToken, Logger: logger})
}
