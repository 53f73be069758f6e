package server_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/manager/telemetry"
	"github.com/partnergate/partnergate/manager/telemetry/logtest"
)

// TestMetricsOnTheirOwn: who reaches the portal reads no metrics, and who reads metrics reaches nothing else.
func TestMetricsOnTheirOwn(t *testing.T) {
	settings := good()
	settings.Store, settings.MetricsListen = "sqlite://"+filepath.Join(t.TempDir(), "run.db"), "127.0.0.1:0"
	var log logtest.Book
	logger := telemetry.NewLogger(&log, telemetry.JSON, settings.Level())
	s, err := server.Start(t.Context(), settings, wiring, logger)
	if err != nil {
		t.Fatal(err)
	}
	inside := "http://" + s.MetricsAddress()
	for url, want := range map[string]int{
		s.URL() + "/metrics": http.StatusNotFound, s.URL() + "/readyz": http.StatusOK,
		inside + "/metrics": http.StatusOK, inside + "/readyz": http.StatusNotFound, inside + "/admin": http.StatusNotFound, inside + "/api/v1/partners": http.StatusNotFound,
	} {
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close() // it is read
		if err != nil || answer.StatusCode != want || strings.Contains(string(body), "partnergate_ready 1") != (url == inside+"/metrics") {
			t.Errorf("%s: status %d, %v", url, answer.StatusCode, err)
		}
	}
	taken := settings
	taken.Listen, taken.MetricsListen = "127.0.0.1:0", s.MetricsAddress()
	if _, err := server.Start(t.Context(), taken, wiring, logger); err == nil || !strings.Contains(err.Error(), "--metrics-listen or PARTNERGATE_METRICS_LISTEN") {
		t.Errorf("on an address that is taken: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	if answer, err := http.Get(inside + "/metrics"); err == nil {
		_ = answer.Body.Close() // it should not be there
		t.Error("metrics are served after the end")
	}
}
