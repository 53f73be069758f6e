package main

import (
	"log/slog"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/partnergate/partnergate/manager/server"
)

// TestMain lets this test binary be the command as well: scripts and tests
// find it as partnergate on their PATH.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"partnergate": main})
}

const (
	adminToken = "4f1d2c3b5a69788796a5b4c3d2e1f00f"
	edgeToken  = "00f1e2d3c4b5a69788796a5b3c2d1f4e"
)

// TestScripts runs the command as its users do, each script against a manager of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			s, err := server.Start(t.Context(), server.Settings{
				Listen: "127.0.0.1:0", Store: "sqlite://" + e.WorkDir + "/store/test.db", AdminToken: adminToken, EdgeToken: edgeToken,
			}, wiring().Server, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			e.Defer(func() {
				if err := s.Stop(); err != nil {
					t.Errorf("stop the manager: %v", err)
				}
			})
			e.Setenv("PARTNERGATE_URL", s.URL())
			e.Setenv("PARTNERGATE_ADMIN_TOKEN", adminToken)
			e.Setenv("EDGE_TOKEN", edgeToken)
			return nil
		},
	})
}
