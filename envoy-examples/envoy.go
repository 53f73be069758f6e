package envoyexamples

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how Launch starts Envoy.
type Options struct {
	Example   string    // one of Examples; quickstart when empty
	Places    Places    // ports and module
	Config    []byte    // a whole configuration to use instead of Example and Places; its first listener is taken as the edge
	EdgeToken string    // what the filters show to the manager; empty leaves PARTNERGATE_EDGE_TOKEN as this process has it
	Binary    string    // Envoy's path; empty looks for .tools/envoy in this folder and those above, then for envoy on the PATH
	Dir       string    // where configuration and addresses are written; empty is a temporary folder, removed by Stop
	Workers   int       // worker threads; 0 is 2
	AccessLog io.Writer // gets the access log, a JSON object a line; nil drops it
	Log       io.Writer // gets Envoy's own log; nil keeps its end for error messages only
	LogLevel  string    // Envoy's level; warning when empty
}

// Envoy is a running Envoy. It ends with Stop, with the context given to Launch, and, on Linux, with this process.
type Envoy struct {
	listeners listeners
	admin     string // host:port
	pid       int
	cancel    context.CancelFunc
	exited    chan struct{} // closed when the process is gone
	err       error         // why it went; read after exited
	log       *tail
	cleanup   func() error
}

// startTimeout is how long Envoy may take until it is live. A module of standard Go costs seconds of CPU, more on a busy machine.
const startTimeout = 3 * time.Minute

// Launch starts Envoy and returns when it is live and its listener's address is known. Live does not mean that the filters have a
// policy already: the first requests may be answered with 503 policy_unavailable.
func Launch(ctx context.Context, options Options) (*Envoy, error) {
	binary, err := findBinary(options.Binary)
	if err != nil {
		return nil, err
	}
	config := options.Config
	if config == nil {
		if config, err = Render(orDefault(options.Example, "quickstart"), options.Places); err != nil {
			return nil, err
		}
	}
	dir, cleanup, err := workFolder(options.Dir)
	if err != nil {
		return nil, err
	}
	envoy := &Envoy{exited: make(chan struct{}), log: &tail{to: options.Log}, cleanup: cleanup}
	if err := envoy.start(ctx, binary, dir, config, options); err != nil {
		return nil, errors.Join(err, cleanup())
	}
	if err := envoy.awaitLive(ctx, filepath.Join(dir, adminAddressFile)); err != nil {
		return nil, errors.Join(err, envoy.Stop())
	}
	return envoy, nil
}

// URL is the edge's base URL, such as http://127.0.0.1:10000.
func (e *Envoy) URL() string { return "http://" + e.Address() }

// Address is the edge's host:port.
func (e *Envoy) Address() string { return loopback(e.listeners.Statuses[0].Address.Socket.Port) }

// Addresses are host:port of all listeners by their names.
func (e *Envoy) Addresses() map[string]string {
	addresses := map[string]string{}
	for _, l := range e.listeners.Statuses {
		addresses[l.Name] = loopback(l.Address.Socket.Port)
	}
	return addresses
}

// AdminURL is the base URL of Envoy's admin interface.
func (e *Envoy) AdminURL() string { return "http://" + e.admin }

// PID is the id of the process.
func (e *Envoy) PID() int { return e.pid }

// Exited is closed when the process is gone, whoever ended it.
func (e *Envoy) Exited() <-chan struct{} { return e.exited }

// Err tells, after Exited, why Envoy ended, with the end of its log. It is nil after a good end.
func (e *Envoy) Err() error {
	if e.err == nil {
		return nil
	}
	return fmt.Errorf("envoy ended: %w. Its log ends with:\n%s", e.err, e.log)
}

// Stop ends Envoy and waits until it is gone. It may be called more than once. It fails only when files could not be removed.
func (e *Envoy) Stop() error {
	e.cancel()
	<-e.exited
	return e.cleanup()
}

const (
	configFile       = "envoy.yaml"
	adminAddressFile = "admin-address"
)

func (e *Envoy) start(ctx context.Context, binary, dir string, config []byte, options Options) error {
	if err := os.WriteFile(filepath.Join(dir, configFile), config, 0o600); err != nil {
		return fmt.Errorf("write Envoy's configuration: %w", err)
	}
	// An earlier Envoy's address would be mistaken for this one's.
	if err := os.Remove(filepath.Join(dir, adminAddressFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the address of an earlier Envoy: %w", err)
	}
	ctx, e.cancel = context.WithCancel(ctx)
	command := exec.CommandContext(ctx, binary, arguments(dir, options)...)
	if options.EdgeToken != "" {
		command.Env = append(os.Environ(), EdgeTokenVariable+"="+options.EdgeToken)
	}
	command.Stdout, command.Stderr = options.AccessLog, e.log
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second // then it is killed
	command.SysProcAttr = endWithParent()

	started := make(chan error)
	go func() {
		defer close(e.exited)
		defer holdThread()()
		err := command.Start()
		if err == nil {
			e.pid = command.Process.Pid
		}
		started <- err
		if err == nil {
			e.err = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		e.cancel()
		return fmt.Errorf("start %s: %w", binary, err)
	}
	return nil
}

func arguments(dir string, options Options) []string {
	workers := options.Workers
	if workers == 0 {
		workers = 2
	}
	return []string{
		"--config-path", filepath.Join(dir, configFile),
		"--admin-address-path", filepath.Join(dir, adminAddressFile),
		"--concurrency", strconv.Itoa(workers),
		"--log-level", orDefault(options.LogLevel, "warning"),
		"--disable-hot-restart",            // else two Envoys on one machine share memory
		"--file-flush-interval-msec", "50", // the access log is read as it is written
		"--drain-time-s", "1",
	}
}

// awaitLive polls, since Envoy tells nobody when it is ready.
func (e *Envoy) awaitLive(ctx context.Context, addressFile string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not live within %s", startTimeout))
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-e.exited:
			return fmt.Errorf("start Envoy: it ended while starting (%w). Its log ends with:\n%s", e.err, e.log)
		case <-ctx.Done():
			return fmt.Errorf("envoy did not start: %w. Its log ends with:\n%s", context.Cause(ctx), e.log)
		case <-poll.C:
			if e.live(ctx, addressFile) {
				return nil
			}
		}
	}
}

// live reports whether Envoy is ready, and notes its addresses once it is.
func (e *Envoy) live(ctx context.Context, addressFile string) bool {
	address, err := os.ReadFile(addressFile)
	if err != nil || len(address) == 0 {
		return false
	}
	e.admin = strings.TrimSpace(string(address))
	if state, err := e.Admin(ctx, "/ready"); err != nil || !strings.HasPrefix(string(state), "LIVE") {
		return false
	}
	answer, err := e.Admin(ctx, "/listeners?format=json")
	return err == nil && json.Unmarshal(answer, &e.listeners) == nil && len(e.listeners.Statuses) > 0
}

// listeners are as Envoy's admin interface lists them.
type listeners struct {
	Statuses []struct {
		Name    string `json:"name"`
		Address struct {
			Socket struct {
				Port int `json:"port_value"`
			} `json:"socket_address"`
		} `json:"local_address"`
	} `json:"listener_statuses"`
}

// Leaves no connection open, so that tests may look for what is left behind.
var adminClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Admin gets a path of Envoy's admin interface. A status other than 200 is an error.
func (e *Envoy) Admin(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.AdminURL()+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := adminClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy's admin interface: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s of Envoy's admin interface: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s of Envoy's admin interface: %s: %s", path, response.Status, body)
	}
	return body, nil
}

func findBinary(given string) (string, error) {
	if given != "" {
		return exec.LookPath(given)
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; folder = filepath.Dir(folder) {
		if path, err := exec.LookPath(filepath.Join(folder, ".tools", "envoy")); err == nil {
			return path, nil
		}
		if folder == filepath.Dir(folder) {
			break
		}
	}
	if path, err := exec.LookPath("envoy"); err == nil {
		return path, nil
	}
	return "", errors.New("no Envoy: neither .tools/envoy in this folder or one above it, nor envoy on the PATH; `make tools` fetches it")
}

func workFolder(given string) (dir string, cleanup func() error, err error) {
	if given != "" {
		return given, func() error { return nil }, os.MkdirAll(given, 0o700)
	}
	dir, err = os.MkdirTemp("", "partnergate-envoy-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

func orDefault(value, byDefault string) string {
	if value == "" {
		return byDefault
	}
	return value
}

// tail hands a log on and keeps its end.
type tail struct {
	to   io.Writer
	lock sync.Mutex
	end  []byte
}

const tailBytes = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.end = append(t.end, p...)
	if over := len(t.end) - tailBytes; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
	}
	if t.to != nil {
		return t.to.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	return string(t.end)
}
