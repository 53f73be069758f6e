package envoyexamples

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/mongo"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/portal"
)

const (
	adminToken = "admin-token-of-the-end-to-end-tests"
	edgeToken  = "edge-token-of-the-end-to-end-tests-0"

	// Set in a process that is a manager, to the address that it listens on; the other is the URL of its store.
	managerVariable = "PARTNERGATE_TEST_MANAGER"
	storeVariable   = "PARTNERGATE_TEST_STORE"
)

// managerProcess is a manager as `partnergate serve` runs it, in a process of its own, so that it can be killed.
type managerProcess struct {
	*client.Client
	store   string
	address string // host:port; the same after a restart
	command *exec.Cmd
	log     tail
	exited  chan struct{}
	ended   error // how; read after exited
}

// startManager starts a manager on an empty store in dir, on a free port.
func startManager(dir string) (*managerProcess, error) {
	return startManagerOn("sqlite://" + filepath.Join(dir, "partnergate.db"))
}

// startManagerOn starts a manager on a free port, which nobody takes while the manager is dead.
func startManagerOn(store string) (*managerProcess, error) {
	port, err := mongod.FreePort(context.Background())
	if err != nil {
		return nil, err
	}
	m := &managerProcess{store: store, address: loopback(port)}
	if err := m.start(); err != nil {
		return nil, err
	}
	m.Client, err = client.New(m.url(), adminToken)
	return m, err
}

// start returns when the manager serves.
func (m *managerProcess) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	m.command = exec.Command(program)
	m.command.Env = append(os.Environ(), managerVariable+"="+m.address, storeVariable+"="+m.store)
	m.command.Stderr = &m.log
	m.command.SysProcAttr = endWithParent()
	output, err := m.command.StdoutPipe()
	if err != nil {
		return err
	}
	m.exited = make(chan struct{})
	started, read := make(chan error), make(chan struct{})
	go func() {
		defer close(m.exited)
		defer holdThread()()
		err := m.command.Start()
		started <- err
		if err == nil {
			<-read // waiting closes what it says
			m.ended = m.command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	close(read)
	if err != nil {
		<-m.exited
		return fmt.Errorf("the manager did not start:\n%s", m.log.String())
	}
	m.address = strings.TrimSpace(address)
	return nil
}

func (m *managerProcess) url() string { return "http://" + m.address }

func (m *managerProcess) port() int {
	_, port, _ := net.SplitHostPort(m.address) // an address that is listened on
	n, _ := strconv.Atoi(port)
	return n
}

// kill ends the manager without any warning, as a crash or the kernel does.
func (m *managerProcess) kill() error {
	err := m.command.Process.Signal(syscall.SIGKILL)
	<-m.exited
	return err
}

// stopPatience is more than a manager needs to end on a busy machine, and less than the 25 s for which a proxy's long poll would hold it.
const stopPatience = 20 * time.Second

// stop ends the manager as an operator does. It fails where that was no good end.
func (m *managerProcess) stop() error {
	begun := time.Now()
	if err := m.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("the manager was gone already: %w\n%s", err, m.log.String())
	}
	<-m.exited
	if took := time.Since(begun); m.ended != nil || took > stopPatience {
		return fmt.Errorf("the manager ended after %s: %w\n%s", took, m.ended, m.log.String())
	}
	return nil
}

// beManager is the other process. Everything in it is what `partnergate serve` puts together.
func beManager(listen string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.Start(ctx, server.Settings{
		Listen: listen, Store: os.Getenv(storeVariable), ModulesDir: filepath.Dir(modulePath), AdminToken: adminToken, EdgeToken: edgeToken,
	}, server.Wiring{OpenStore: openStore, NewPortal: newPortal}, logger)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.Address())
	<-ctx.Done()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func openStore(ctx context.Context, url string) (manager.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return sqlite.Open(ctx, path)
	}
	return mongo.Open(ctx, url)
}

func newPortal(service *manager.Service, publicURL, adminToken string, logger *slog.Logger) (http.Handler, error) {
	return portal.New(portal.Config{Service: service, PublicURL: publicURL, AdminToken: adminToken, Logger: logger})
}

// key makes a key for an application.
func (m *managerProcess) key(t testing.TB, partner, application, environment string) *manager.NewKey {
	t.Helper()
	key, err := m.CreateKey(t.Context(), partner, application, environment, "")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// apply makes resources the policy, and returns the version that has them.
func (m *managerProcess) apply(t testing.TB, resources ...manager.Resource) int64 {
	t.Helper()
	result, err := m.Apply(t.Context(), resources, manager.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return result.PolicyVersion
}

// applySample makes the sample estate the policy.
func (m *managerProcess) applySample(t testing.TB) (version int64) {
	t.Helper()
	sample, err := documents.ReadFolder(Estate, "estate")
	if err != nil {
		t.Fatal(err)
	}
	return m.apply(t, documents.Resources(sample)...)
}

// applyYAML makes resources the policy, and returns the version that has them.
func (m *managerProcess) applyYAML(ctx context.Context, text string) (version int64, err error) {
	read, err := manager.ReadDocuments("test.yaml", []byte(text), nil)
	if err != nil {
		return 0, err
	}
	result, err := m.Apply(ctx, documents.Resources(read), manager.ApplyOptions{})
	if err != nil {
		return 0, err
	}
	return result.PolicyVersion, nil
}

// resource gets a copy of a resource, to be changed and applied.
func resource[R manager.Resource](t testing.TB, m *managerProcess, ref manager.Ref) R {
	t.Helper()
	r, err := m.Resource(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return r.(R)
}
