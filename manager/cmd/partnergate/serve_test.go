package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/filters/wire"
)

// process is a running partnergate, a process of its own.
type process struct {
	t       *testing.T
	command *exec.Cmd
	log     *bufio.Scanner
}

// launch starts partnergate with the environment of a server. It is killed when the test ends.
func launch(t *testing.T, arguments ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := &process{t: t, command: exec.CommandContext(ctx, "partnergate", arguments...)}
	p.command.Env = append(os.Environ(), "PARTNERGATE_ADMIN_TOKEN="+adminToken, "PARTNERGATE_EDGE_TOKEN="+edgeToken)
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.log = bufio.NewScanner(stderr)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// await reads the log up to an entry with the message, and returns the entry.
func (p *process) await(message string) map[string]any {
	p.t.Helper()
	var seen []string
	for p.log.Scan() {
		seen = append(seen, p.log.Text())
		var entry map[string]any
		if json.Unmarshal(p.log.Bytes(), &entry) == nil && entry["msg"] == message {
			return entry
		}
	}
	p.t.Fatalf("the log ended without %q:\n%s", message, strings.Join(seen, "\n"))
	return nil
}

// end waits for the process and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	for p.log.Scan() { // so that it can write
	}
	if err := p.command.Wait(); err != nil && p.command.ProcessState == nil {
		p.t.Fatal(err)
	}
	return p.command.ProcessState.ExitCode()
}

var testProxy = wire.ProxyID{Node: "test", Nonce: [16]byte{1}}

// TestServeEndsAtOnce ends a manager that holds a long poll. Were it not answered
// at once it would be cut off, since it lasts longer than the end may take.
func TestServeEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := launch(t, "serve", "--listen", "127.0.0.1:0", "--store", "sqlite://"+t.TempDir()+"/serve.db", "--log-level", "debug")
	url, _ := p.await("manager is serving")["url"].(string)
	held := watch(t, url, wire.Watch{Proxy: testProxy, Schema: policy.SchemaVersion}) // answered at once: nothing is held yet
	manifest, err := policy.ParseManifest(held.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	polled := make(chan error, 1)
	go func() {
		_, err := post(t.Context(), url+wire.WatchPath, wire.Watch{
			Proxy: testProxy, Schema: policy.SchemaVersion, Lineage: manifest.Lineage, Version: manifest.Version, Digest: policy.Digest(held.Manifest),
		})
		polled <- err
	}()
	eventually(t, "the poll is held", func() bool {
		_, body := fetch(t, url+"/metrics", "", "")
		return strings.Contains(body, "\npartnergate_watches_in_flight 1\n")
	})
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if err := <-polled; err != nil {
		t.Errorf("the poll was cut off, and not answered: %v", err)
	}
}

// TestServeAlone: one SQLite file is one manager's, until that one has ended in whatever way.
func TestServeAlone(t *testing.T) {
	t.Parallel()
	store := "sqlite://" + t.TempDir() + "/serve.db"
	serve := func() *process { return launch(t, "serve", "--listen", "127.0.0.1:0", "--store", store) }
	first := serve()
	first.await("manager is serving")
	second := serve()
	var said []string
	for second.log.Scan() {
		said = append(said, second.log.Text())
	}
	text := strings.Join(said, "\n")
	if code := second.end(); code != 1 {
		t.Errorf("exit code %d: %s", code, text)
	}
	for _, want := range []string{"serve.db is in use by process " + strconv.Itoa(first.command.Process.Pid), "stop that one", "another file", "MongoDB"} {
		if !strings.Contains(text, want) {
			t.Errorf("the error lacks %q: %s", want, text)
		}
	}
	if err := first.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.end()
	third := serve()
	third.await("manager is serving")
	if err := third.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := third.end(); code != 0 {
		t.Errorf("after the first was killed: exit code %d", code)
	}
}

func watch(t *testing.T, url string, m wire.Watch) wire.WatchReply {
	t.Helper()
	body, err := post(t.Context(), url+wire.WatchPath, m)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := wire.ParseWatchReply(body)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func post(ctx context.Context, url string, m wire.Watch) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(m.Append(nil))))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+edgeToken)
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}
