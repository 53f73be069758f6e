package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/partnergate/partnergate/manager/client"
)

// node is a manager in a process of its own. Its address outlives it.
type node struct {
	*client.Client
	address, store string
	lock           sync.Mutex // guards what follows
	command        *exec.Cmd
	input          io.Closer // closing it ends the process
	exited         chan struct{}
	ended          error // how; read after exited
	incarnation    int
	log            logEnd
}

func startNode(store string) (*node, error) {
	port, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	n := &node{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), store: store}
	if n.Client, err = client.New("http://"+n.address, adminToken); err != nil {
		return nil, err
	}
	return n, n.start()
}

// start returns when the manager serves.
func (n *node) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), listenVariable+"="+n.address, storeVariable+"="+n.store)
	command.Stderr = &n.log
	input, err := command.StdinPipe()
	if err != nil {
		return err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	_, failed := bufio.NewReader(output).ReadString('\n')
	exited := make(chan struct{})
	go func() {
		err := command.Wait()
		n.lock.Lock()
		n.ended = err
		n.lock.Unlock()
		close(exited)
	}()
	if failed != nil {
		<-exited
		return fmt.Errorf("the manager at %s did not start:\n%s", n.address, n.log.String())
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	n.command, n.input, n.exited = command, input, exited
	n.incarnation++
	return nil
}

// process is the id and the incarnation of the process that runs; ok is false where none does.
func (n *node) process() (pid, incarnation int, ok bool) {
	n.lock.Lock()
	defer n.lock.Unlock()
	select {
	case <-n.exited:
		return 0, 0, false
	default:
		return n.command.Process.Pid, n.incarnation, true
	}
}

// signal does not wait for what the signal does.
func (n *node) signal(s syscall.Signal) error {
	n.lock.Lock()
	defer n.lock.Unlock()
	return n.command.Process.Signal(s)
}

// end ends the process by a signal and waits until it is gone. It fails where SIGTERM was no good end.
func (n *node) end(s syscall.Signal) error {
	if err := n.signal(s); err != nil {
		return err
	}
	<-n.exited
	n.lock.Lock()
	defer n.lock.Unlock()
	_ = n.input.Close() // nobody reads it any more
	if s == syscall.SIGTERM && n.ended != nil {
		return fmt.Errorf("the manager at %s did not end in order: %w\n%s", n.address, n.ended, n.log.String())
	}
	return nil
}

// answers waits until the manager answers from its store.
func (n *node) answers(ctx context.Context) error {
	for {
		asked, cancel := context.WithTimeout(ctx, 3*time.Second)
		_, err := n.Proxies(asked)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the manager at %s does not answer: %w", n.address, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freePorts are n ports in a row, of which the first is returned. They lie below those that the kernel gives to calls, so that
// nothing takes them while their process is dead.
func freePorts(n int) (int, error) {
	for range 200 {
		first := 12000 + rand.IntN(18000)
		if portsFree(first, n) {
			return first, nil
		}
	}
	return 0, errors.New("no free ports between 12000 and 30000")
}

func portsFree(first, n int) bool {
	for i := range n {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+i)))
		if err != nil {
			return false
		}
		_ = listener.Close() // it was only tried
	}
	return true
}

// logEnd keeps the end of a log.
type logEnd struct {
	lock sync.Mutex
	text []byte
}

func (l *logEnd) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - 16<<10; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

func (l *logEnd) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return strings.TrimSpace(string(l.text))
}
