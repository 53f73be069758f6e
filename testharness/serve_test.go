package testharness_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/testharness"
)

// serve runs a proxy on the real clock behind a real server.
func serve(t *testing.T, c testharness.ProxyConfig) (*testharness.Proxy, *httptest.Server) {
	t.Helper()
	p := start(t, c.WithClock(testharness.RealClock()))
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, server
}

func get(t *testing.T, ctx context.Context, url string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestServesAsReverseProxy(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	p, server := serve(t, config(script(
		"request_headers if-header x-refuse", "request_headers reply 403 no x-why=because refused",
	)).WithWorkers(2))
	response := get(t, t.Context(), server.URL+"/a?b")
	if got := body(t, response); response.StatusCode != 200 || got != "GET "+strings.TrimPrefix(server.URL, "http://")+"/a?b" {
		t.Error(response.Status, got)
	}
	response = get(t, t.Context(), server.URL, "X-Refuse", "1")
	if got := body(t, response); response.StatusCode != 403 || got != "refused" || response.Header.Get("X-Why") != "because" {
		t.Error(response.Status, got)
	}
	if p.Failures() != 0 {
		t.Error("VM failed")
	}
}

// TestStreamsBothWays checks that pieces arrive before the stream has ended.
func TestStreamsBothWays(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	_, server := serve(t, config(script("request_headers set 0 a b")).WithUpstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintln(w, "got", lines.Text())
			w.(http.Flusher).Flush()
		}
		w.Header().Set(http.TrailerPrefix+"X-End", "yes")
	})))
	in, out := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, in)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(out, "first\n") }()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(response.Body)
	for _, word := range []string{"first", "second", "third"} {
		if word != "first" {
			_, _ = io.WriteString(out, word+"\n")
		}
		if line, err := answers.ReadString('\n'); err != nil || line != "got "+word+"\n" {
			t.Fatalf("%q %v", line, err)
		}
	}
	_ = out.Close()
	if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 || response.Trailer.Get("X-End") != "yes" {
		t.Error(string(rest), err, response.Trailer)
	}
}

// TestNobodyBlocksTheWorker has one worker with a paused stream, a waiting
// upstream and a client that does not read, and still serves others.
func TestNobodyBlocksTheWorker(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	release := make(chan struct{})
	reached := make(chan string, 3)
	_, server := serve(t, config(
		script("request_headers if-header x-pause", "request_headers call cluster /x 0", "request_headers return 1", "call_response continue 0"),
	).WithUpstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			reached <- "upstream"
			<-release
		case "/flood":
			reached <- "flood"
			_, _ = w.Write(make([]byte, 64<<20))
		}
	})).WithCluster("cluster", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		reached <- "cluster"
		<-release
	})))
	var clients sync.WaitGroup
	for _, path := range []string{"/wait", "/paused"} {
		clients.Go(func() {
			header := []string{}
			if path == "/paused" {
				header = []string{"X-Pause", "1"}
			}
			if r := get(t, t.Context(), server.URL+path, header...); r.StatusCode != 200 {
				t.Error(path, r.Status)
			}
		})
	}
	flood := get(t, t.Context(), server.URL+"/flood") // not read until the end
	for range 3 {
		<-reached
	}
	if r := get(t, t.Context(), server.URL+"/quick"); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	close(release)
	clients.Wait()
	if n, err := io.Copy(io.Discard, flood.Body); err != nil || n != 64<<20 {
		t.Error(n, err)
	}
}

func TestClientGoesAway(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	reached, gone := make(chan struct{}), make(chan struct{})
	p, server := serve(t, config(script("log property response|code_details")).WithUpstream(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done()
		close(gone)
	})))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-reached
		cancel()
	}()
	if response, err := http.DefaultClient.Do(r); err == nil {
		_ = response.Body.Close()
		t.Error("answered")
	}
	<-gone
	if err := p.Await(t.Context(), func() bool { return len(p.Logs()) > 0 }); err != nil {
		t.Error(err)
	}
	wantLogs(t, p, "log property response|code_details = downstream_remote_disconnect")
}

func TestResetCutsTheConnection(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	_, server := serve(t, config(script("request_headers close 0", "request_headers return 1")))
	if response, err := http.Get(server.URL); err == nil {
		_ = response.Body.Close()
		t.Error(response.Status)
	}
}

func TestEarlyReplyToALongUpload(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	_, server := serve(t, config(script("request_headers reply 401 no - who are you?")))
	in, out := io.Pipe()
	t.Cleanup(func() { _ = out.Close() })
	go func() { _, _ = out.Write(make([]byte, 1<<20)) }()
	response, err := http.Post(server.URL, "text/plain", in)
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, response); response.StatusCode != 401 || got != "who are you?" {
		t.Error(response.Status, got)
	}
}

// TestWorkersRunAtOnce floods several workers, whose VMs count together by
// compare and swap; ticks and timers go on meanwhile.
func TestWorkersRunAtOnce(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	p, server := serve(t, config(script(
		"configure tick 1", "tick increment ticks",
		"request_headers increment n", "request_headers count 0 requests 1", "request_headers call cluster /x 1000", "request_headers return 1", "call_response continue 0",
	)).WithWorkers(4).WithCluster("cluster", echo).WithLogHandler(func(testharness.LogEntry) {}))
	const clients, each = 8, 25
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for range each {
				r, err := p.Do(request("GET", "/"))
				if err != nil || r.StatusCode != 200 {
					t.Error(r, err)
				}
			}
		})
	}
	group.Wait()
	_ = server
	if v, _ := p.SharedData("test", "n"); string(v) != fmt.Sprint(clients*each) {
		t.Errorf("%s requests counted", v)
	}
	if v, _ := p.Metric("requests"); v != clients*each {
		t.Error(v)
	}
	if err := p.Await(t.Context(), func() bool { _, ok := p.SharedData("test", "ticks"); return ok }); err != nil {
		t.Error(err)
	}
	p.Advance(time.Millisecond) // on a real clock it just waits
	p.Settle()
}
