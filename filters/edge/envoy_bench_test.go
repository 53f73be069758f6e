//go:build !wasip1

package edge_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/testharness"
)

// BenchmarkEnvoyCPU measures the CPU that the real Envoy spends on a request,
// user and system time, without filters, with all three in one context, and
// with each in its own. The plan has a rate, a quota and a concurrency limit.
func BenchmarkEnvoyCPU(b *testing.B) {
	for _, way := range []string{"bare", "combined", "chain"} {
		b.Run(way, func(b *testing.B) { benchmarkEnvoy(b, way) })
	}
}

func benchmarkEnvoy(b *testing.B, way string) {
	m := newManagerAt(b, "[{name: throughput, rate: {requests: 1000000, per: second}}, {name: daily, quota: {requests: 1000000000, per: day}}, {name: in-flight, concurrency: {requests: 1000}}]", testharness.RealClock())
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "partnergate.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	quick := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("paid")) })
	up := port(b, serve(b, quick))
	rendered, err := envoyexamples.Render("quickstart", envoyexamples.Places{Manager: port(b, serve(b, m)), Payments: up, Risk: up, Module: module})
	if err != nil {
		b.Fatal(err)
	}
	e, err := envoyexamples.Launch(b.Context(), envoyexamples.Options{Config: []byte(reduced(b, string(rendered), way)), EdgeToken: edgeToken, Workers: 2})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.Stop() }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	load(b, client, e.URL(), m.keys["acme"], 4000, way == "bare")
	pid := envoyProcess(b)
	before := cpuTicks(b, pid)
	b.ResetTimer()
	load(b, client, e.URL(), m.keys["acme"], b.N, false)
	b.StopTimer()
	const ticksPerSecond = 100 // USER_HZ
	b.ReportMetric(float64(cpuTicks(b, pid)-before)/ticksPerSecond*1e6/float64(b.N), "cpu-µs/op")
}

// reduced takes the access log and the filters that a way does not have out of
// the example.
func reduced(b *testing.B, config, way string) string {
	cut := func(from, to string) {
		before, rest, ok := strings.Cut(config, from)
		_, after, ok2 := strings.Cut(rest, to)
		if !ok || !ok2 {
			b.Fatalf("the example has no part from %q to %q", from, to)
		}
		config = before + to + after
	}
	cut("                access_log:\n", "                http_filters:\n")
	router := "                  - name: envoy.filters.http.router\n"
	switch way {
	case "bare":
		cut("                  - name: partner-resolution\n", router)
	case "combined":
		cut("                  - name: catalog-gate\n", router)
		config = strings.Replace(config, "root_id: partner-resolution", "root_id: partnergate", 1)
	}
	return config
}

// load sends n requests over eight connections. warm lets refusals pass.
func load(b *testing.B, client *http.Client, url, key string, n int, warm bool) {
	b.Helper()
	var group sync.WaitGroup
	const connections = 8
	for c := range connections {
		group.Go(func() {
			for i := c; i < n; i += connections {
				r, err := http.NewRequest("GET", url+"/v1/pay", nil)
				if err != nil {
					b.Error(err)
					return
				}
				r.Host = sandboxHost
				r.Header.Set("x-api-key", key)
				response, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_ = response.Body.Close()
				if response.StatusCode != 200 && !warm && i > n/2 {
					b.Errorf("status %d", response.StatusCode)
					return
				}
			}
		})
	}
	group.Wait()
}

// envoyProcess finds the Envoy that this process started.
func envoyProcess(b *testing.B) int {
	b.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 2 && strings.Contains(string(raw), "(envoy)") && fields[1] == strconv.Itoa(os.Getpid()) && fields[0] != "Z" {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				b.Fatal(err)
			}
			return pid
		}
	}
	b.Fatal("no Envoy runs below this process")
	return 0
}

func cpuTicks(b *testing.B, pid int) int64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	total := int64(0)
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	return total
}
