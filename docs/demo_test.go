package docs

import (
	"bufio"
	"context"
	"html"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// anyPorts lets a demo listen where there is room.
const anyPorts = "--manager-port 0 --gateway-port 0 --payments-port 0 --risk-port 0 --envoy-admin-port 0"

// TestDemo starts the demo as the README says, makes every call that it prints, runs every block of the pages that is meant for it, and
// ends it as Ctrl-C does. The second run is in Envoy, on the data of the first.
func TestDemo(t *testing.T) {
	data := t.TempDir()
	first := startDemo(t, "embedded", data)
	first.makeCalls(t)
	first.readErrorPages(t)
	for _, b := range blocks(t) {
		if b.language == "sh" && strings.HasPrefix(b.text, inDemo) {
			if output, err := first.shell(t, "set -e\n"+b.text); err != nil {
				t.Errorf("%s: %v\n%s", b, err, output)
			}
		}
	}
	first.interrupt(t)

	second := startDemo(t, "envoy", data)
	second.makeCalls(t)
	old := first.exports["COBALT_SANDBOX"]
	if old == second.exports["COBALT_SANDBOX"] {
		t.Error("the second run has the keys of the first")
	}
	second.exports["COBALT_SANDBOX"] = old
	for _, c := range second.calls {
		if strings.Contains(c.line, "COBALT_SANDBOX") && strings.HasPrefix(c.promise, "200: ") {
			second.check(t, call{c.line, "401 credential_revoked"})
			break
		}
	}
	second.interrupt(t)
}

// run is a running demo and what it printed.
type run struct {
	command *exec.Cmd
	page    string
	exports map[string]string
	calls   []call
	rest    chan string // what it prints afterwards, once it has ended
}

// call is a line for the shell, and what the line before promises.
type call struct{ line, promise string }

func startDemo(t *testing.T, gateway, data string) *run {
	t.Helper()
	r := &run{command: exec.Command("make", "--no-print-directory", "run", "GATEWAY="+gateway, "ARGS=--data "+data+" "+anyPorts), rest: make(chan string, 1)}
	r.command.Dir = ".."
	r.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal interrupts all of a group
	var problems strings.Builder
	r.command.Stderr = &problems
	output, err := r.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-r.command.Process.Pid, syscall.SIGKILL) }) // what a failure left
	lines := bufio.NewReader(output)
	last := regexp.MustCompile(`(?m)^\s*logs\s`)
	for !last.MatchString(r.page) {
		line, err := lines.ReadString('\n')
		r.page += line
		if err != nil {
			_ = r.command.Wait() // it has failed
			t.Fatalf("the demo ended while starting:\n%s%s", r.page, problems.String())
		}
	}
	go func() {
		rest, _ := io.ReadAll(lines) // it ends with the process
		r.rest <- string(rest)
	}()
	r.read()
	return r
}

var assignment = regexp.MustCompile(`(\w+)=(\S+)`)

// read takes exports and calls from the page.
func (r *run) read() {
	r.exports = map[string]string{}
	promise := ""
	for line := range strings.Lines(r.page) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "export "):
			for _, a := range assignment.FindAllStringSubmatch(line, -1) {
				r.exports[a[1]] = a[2]
			}
		case strings.HasPrefix(line, "# "):
			promise = strings.TrimPrefix(line, "# ")
		case strings.HasPrefix(line, "curl "), strings.HasPrefix(line, "for "):
			r.calls = append(r.calls, call{line, promise})
		}
	}
}

// shell runs a script as a user would who pasted the exports first and has the command on the PATH.
func (r *run) shell(t *testing.T, script string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", script)
	command.Dir = ".."
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	command.Env = append(os.Environ(), "PATH="+strings.TrimSuffix(folder, "/docs")+"/build:"+os.Getenv("PATH"))
	for name, value := range r.exports {
		command.Env = append(command.Env, name+"="+value)
	}
	output, err := command.CombinedOutput()
	return string(output), err
}

func (r *run) makeCalls(t *testing.T) {
	t.Helper()
	if len(r.calls) < 6 || len(r.exports) < 6 {
		t.Fatalf("the demo prints %d calls and %d exports:\n%s", len(r.calls), len(r.exports), r.page)
	}
	for _, c := range r.calls {
		r.check(t, c)
	}
}

var promised = regexp.MustCompile(`^(\d{3})(?: (\w+))?`)

// check makes a call and compares status and code with the promise. A loop prints statuses itself; all that are promised are among them.
func (r *run) check(t *testing.T, c call) {
	t.Helper()
	if strings.HasPrefix(c.line, "for ") {
		output, err := r.shell(t, c.line)
		for _, status := range regexp.MustCompile(`\b[2-5]\d\d\b`).FindAllString(c.promise, -1) {
			if err != nil || !strings.Contains(output, status) {
				t.Errorf("%s\npromises %q, and prints %s %v", c.line, c.promise, output, err)
			}
		}
		return
	}
	output, err := r.shell(t, strings.Replace(c.line, "curl ", `curl -sS -w '\n%{http_code}' `, 1))
	body, status := output[:max(strings.LastIndexByte(output, '\n'), 0)], output[strings.LastIndexByte(output, '\n')+1:]
	want := promised.FindStringSubmatch(c.promise)
	if err != nil || want == nil || status != want[1] || want[2] != "" && !strings.Contains(body, `"`+want[2]+`"`) {
		t.Errorf("%s\npromises %q, and answers %s %v", c.line, c.promise, output, err)
	}
}

// readErrorPages opens the portal's page about every refusal, to which their type leads people.
func (r *run) readErrorPages(t *testing.T) {
	t.Helper()
	index := page(t, r.exports["PARTNERGATE_URL"]+"/docs/errors")
	for _, code := range policy.Refusals() {
		if !strings.Contains(index, "/docs/errors/"+code.String()+`"`) {
			t.Errorf("the portal's list of codes lacks %s", code)
		}
		if text := html.UnescapeString(page(t, r.exports["PARTNERGATE_URL"]+"/docs/errors/"+code.String())); !strings.Contains(text, code.Info().Title) {
			t.Errorf("the portal's page about %s lacks its title", code)
		}
	}
}

func page(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("GET %s: %s %v", url, response.Status, err)
	}
	return string(body)
}

// interrupt does what Ctrl-C does; everything ends within 15 s.
func (r *run) interrupt(t *testing.T) {
	t.Helper()
	group := r.command.Process.Pid
	if err := syscall.Kill(-group, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.rest:
	case <-time.After(15 * time.Second):
		t.Errorf("the demo has not ended 15 s after it was interrupted")
		if err := syscall.Kill(-group, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		<-r.rest
	}
	if err := r.command.Wait(); err != nil {
		if exit := r.command.ProcessState.ExitCode(); exit > 0 && exit != 130 && exit != 2 {
			t.Errorf("make run: %v", err)
		}
	}
	if err := syscall.Kill(-group, 0); err != syscall.ESRCH {
		t.Errorf("some process outlived the demo: %v", err)
	}
}
