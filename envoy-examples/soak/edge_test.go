package soak

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
)

// edge is one Envoy, from its start to its end.
type edge struct {
	*envoyexamples.Envoy
	slot    int
	started time.Time
	client  *http.Client
	killed  time.Time // zero: it was not
}

// slot is the place of an Envoy, which is filled again when it is killed.
type slot struct {
	index   int
	options envoyexamples.Options
	lock    sync.Mutex
	now     *edge // nil while there is none
	all     []*edge
}

// current is the Envoy that runs, or nil.
func (s *slot) current() *edge {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.now
}

// count is how many Envoys have been here.
func (s *slot) count() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return len(s.all)
}

func (s *slot) start(ctx context.Context) error {
	envoy, err := envoyexamples.Launch(ctx, s.options)
	if err != nil {
		return err
	}
	e := &edge{Envoy: envoy, slot: s.index, started: time.Now(), client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: 40 * time.Second,
	}}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.now = e
	s.all = append(s.all, e)
	return nil
}

// kill ends the Envoy without any warning.
func (s *slot) kill() error {
	s.lock.Lock()
	e := s.now
	s.now = nil
	s.lock.Unlock()
	if err := e.check(); err != nil {
		return err
	}
	e.killed = time.Now()
	if err := syscall.Kill(e.PID(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill Envoy %d: %w", s.index, err)
	}
	<-e.Exited()
	e.client.CloseIdleConnections()
	return e.Stop()
}

// check finds an Envoy that ended by itself, or whose VMs failed.
func (e *edge) check() error {
	select {
	case <-e.Exited():
		return fmt.Errorf("envoy %d ended by itself: %w", e.slot, e.Err())
	default:
	}
	stats, err := e.Admin(context.Background(), "/stats?filter=vm_(reload|failed)")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(stats)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); strings.Contains(name, "wasm") && value != "0" {
			return fmt.Errorf("a VM of Envoy %d failed: %s", e.slot, line)
		}
	}
	return nil
}

// module is the path of partnergate.wasm.
func module() (string, error) {
	const path = "../../build/partnergate.wasm"
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the filters are not built; `make wasm` builds them: %w", err)
	}
	return path, nil
}
