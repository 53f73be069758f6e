package mongod

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// member is one mongod process.
type member struct {
	binary  string
	dir     string // holds its data and its log
	port    int
	alone   bool // no member of a replica set
	process *os.Process
	exited  chan struct{} // closed when the process is gone
}

func (m *member) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

func (m *member) log() string { return filepath.Join(m.dir, "log") }

func (m *member) arguments() []string {
	arguments := []string{
		"--bind_ip", "127.0.0.1", "--port", strconv.Itoa(m.port),
		"--dbpath", filepath.Join(m.dir, "db"), "--logpath", m.log(), "--nounixsocket",
		"--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "128", "--setParameter", "diagnosticDataCollectionEnabled=false",
		"--setParameter", "shutdownTimeoutMillisForSignaledShutdown=200",
	}
	if m.alone {
		return arguments
	}
	return append(arguments, "--replSet", replicaSet)
}

// start starts the process. It ends with this process, on Linux.
func (m *member) start() error {
	if err := os.MkdirAll(filepath.Join(m.dir, "db"), 0o700); err != nil {
		return fmt.Errorf("make the folder of mongod's data: %w", err)
	}
	command := exec.Command(m.binary, m.arguments()...)
	command.SysProcAttr = endWithParent()
	started, exited := make(chan error), make(chan struct{})
	go func() {
		defer holdThread()()
		defer close(exited)
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start mongod: %w", err)
	}
	m.process, m.exited = command.Process, exited
	return nil
}

// stopPatience is how long mongod may take to write everything out.
const stopPatience = time.Minute

// stop ends the process in order, and by force where it takes too long.
func (m *member) stop() error {
	if m.process == nil {
		return nil
	}
	if err := m.process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		<-m.exited
		return nil
	}
	select {
	case <-m.exited:
		return nil
	case <-time.After(stopPatience):
		return errors.Join(fmt.Errorf("mongod did not end within %s and was killed", stopPatience), m.kill())
	}
}

// kill ends the process at once, as a power cut would.
func (m *member) kill() error {
	err := m.process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-m.exited
	return err
}

// died is the error of a process that ended by itself.
func (m *member) died() error {
	text, _ := os.ReadFile(m.log()) // an empty end says as much
	return fmt.Errorf("mongod at %s has ended by itself; its log %s ends with:\n%s", m.address(), m.log(), text[max(0, len(text)-2000):])
}

// FreePort is a port of this machine that nobody listens on at this moment. It lies below those that the kernel gives to calls and
// to who listens on any port, so that nobody takes it before its process has begun, nor while that is dead for a while.
func FreePort(ctx context.Context) (int, error) {
	const from, to, tries = 12_000, 30_000, 200
	var config net.ListenConfig
	var last error
	for range tries {
		port := from + rand.IntN(to-from)
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port between %d and %d: %w", from, to, last)
}

// find returns .tools/mongod in the working folder or one above it, or the mongod on the PATH.
func find() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if path, err := exec.LookPath(filepath.Join(folder, ".tools", "mongod")); err == nil {
			return path, nil
		}
		if folder == filepath.Dir(folder) {
			break
		}
		folder = filepath.Dir(folder)
	}
	if path, err := exec.LookPath("mongod"); err == nil {
		return path, nil
	}
	return "", errors.New("no mongod: neither .tools/mongod in this folder or one above it, nor mongod on the PATH; `make tools` fetches it")
}
