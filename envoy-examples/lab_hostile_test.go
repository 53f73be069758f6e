package envoyexamples

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/docs/reliability"
)

// TestHostileHeaders sends keys, hosts, paths and request ids that never come twice, and now and then a thousand headers or values of 60 kB. After the
// first part Envoy grows no more. `make soak-headers` sends 500,000.
func TestHostileHeaders(t *testing.T) {
	l := getLab(t)
	n := 20_000
	if text := os.Getenv("PARTNERGATE_SOAK"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("PARTNERGATE_SOAK: %v", err)
		}
	}
	l.hostile(t, 0, n/4)
	memory, series := resident(t, l.envoy.PID()), l.series(t)
	began := time.Now()
	l.hostile(t, n/4, n)
	took, grown := time.Since(began), resident(t, l.envoy.PID())-memory
	if more := l.series(t); more > series {
		t.Errorf("there were %d series of partnergate_requests, and are %d", series, more)
	}
	if grown > 24<<20 {
		t.Errorf("Envoy has grown by %d MB", grown>>20)
	}
	if a := l.call(t, "plain", "lab-route", "/lab/ping"); a.status != http.StatusOK {
		t.Errorf("the next request got %d %s", a.status, a.body)
	}
	t.Logf("%d requests in %v; Envoy has %d MB, %+d kB since the first quarter", n-n/4, took, (memory+grown)>>20, grown>>10)
	noReloads(t, l.envoy)
	reliability.Record(t, reliability.Row{
		Fault: "hostile headers", Done: "requests with keys, hosts, paths and ids that never come twice; one in ten with 1,000 headers, values of 60 kB or paths of 60 kB",
		Promised: "each is refused; memory and metrics stay as large as they were, the next good request is served",
		Seen:     fmt.Sprintf("%d requests; Envoy grew by %d MB after the first quarter, metrics by nothing", n, grown>>20),
	})
}

// series counts those of partnergate_requests.
func (l *lab) series(t *testing.T) int {
	t.Helper()
	stats, err := l.envoy.Admin(t.Context(), "/stats?filter=partnergate_requests")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(stats), "\n")
}

// hostile sends the requests from one number to another.
func (l *lab) hostile(t *testing.T, from, to int) {
	t.Helper()
	var group sync.WaitGroup
	const lanes = 4
	for lane := range lanes {
		group.Go(func() {
			if err := l.hostileLane(from+lane, to, lanes); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func (l *lab) hostileLane(from, to, step int) error {
	connection, err := dialWire(l.listeners["plain"])
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	for i := from; i < to; i += step {
		a, err := connection.ask(hostileRequest(i))
		if err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		if p, ok := a.problem(); !ok || a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
			return fmt.Errorf("request %d: %d %s", i, a.status, p.Code)
		}
		if a.closes { // as Envoy does after a 400
			_ = connection.Close()
			if connection, err = dialWire(l.listeners["plain"]); err != nil {
				return err
			}
		}
	}
	return nil
}

func hostileRequest(i int) request {
	q := request{method: http.MethodGet, target: fmt.Sprintf("/lab/%d/%d?%d", i%10_000, i, i), host: fmt.Sprintf("h%d.example.test", i)}
	key := fmt.Sprintf("pgk_sandbox_%016d_0123456789abcdefghijklmnopqrstuv", i)
	switch i % 40 {
	case 1:
		for n := range 1000 {
			q.headers = append(q.headers, fmt.Sprintf("x-partner-%d-%d: v", n, i))
		}
	case 2:
		key = strings.Repeat("k", 60<<10)
		q.headers = append(q.headers, "x-large: "+strings.Repeat("v", 60<<10))
	case 3:
		q.target = strings.Repeat("/a", 30<<10)
	case 4:
		q.target = "/" + strings.Repeat("%41", 20<<10) + "//"
	}
	q.headers = append(q.headers, "x-request-id: request-"+strconv.Itoa(i), "x-api-key: "+key)
	return q
}
