// Command partnergate runs and operates Partnergate. It puts the parts
// together; what the commands do is in manager/cli.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/cli"
	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/portal"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Executable: folder(),
	}, wiring())
}

// folder is where the program lies, and `make build` puts the filters.
func folder() string {
	path, err := os.Executable()
	if err != nil {
		return "build"
	}
	return filepath.Dir(path)
}

func wiring() cli.Wiring {
	return cli.Wiring{
		Server:     server.Wiring{OpenStore: openForManager, NewPortal: newPortal},
		OpenBeside: openBeside, OpenAlone: openAlone,
	}
}

func newPortal(service *manager.Service, publicURL, adminToken string, logger *slog.Logger) (http.Handler, error) {
	return portal.New(portal.Config{Service: service, PublicURL: publicURL, AdminToken: adminToken, Logger: logger})
}
