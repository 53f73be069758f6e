package envoyexamples

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// markHeader names a request to the upstream that is to remember it.
const markHeader = "X-Test-Mark"

// upstream answers every request with 200, but an upgrade as it asks. It reads requests itself, since a server of net/http answers those that it finds
// malformed without telling anybody, and no request that was refused may come here, however malformed.
type upstream struct {
	listener net.Listener
	requests atomic.Int64 // that have arrived
	lock     sync.Mutex
	marked   map[string]arrival
	open     map[net.Conn]bool
	done     sync.WaitGroup
}

// arrival is a request as it reached the upstream.
type arrival struct {
	method, target string
	header         textproto.MIMEHeader
}

func startUpstream() (*upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{listener: listener, marked: map[string]arrival{}, open: map[net.Conn]bool{}}
	u.done.Go(u.accept)
	return u, nil
}

func (u *upstream) port() int { return u.listener.Addr().(*net.TCPAddr).Port }

func (u *upstream) url() string { return "http://" + u.listener.Addr().String() }

// take returns the request with a mark, if it has arrived, and forgets it.
func (u *upstream) take(mark string) (arrival, bool) {
	u.lock.Lock()
	defer u.lock.Unlock()
	a, ok := u.marked[mark]
	delete(u.marked, mark)
	return a, ok
}

func (u *upstream) stop() error {
	err := u.listener.Close()
	u.lock.Lock()
	for connection := range u.open {
		_ = connection.Close() // whose serving ends by it
	}
	u.lock.Unlock()
	u.done.Wait()
	return err
}

func (u *upstream) accept() {
	for {
		connection, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.lock.Lock()
		u.open[connection] = true
		u.lock.Unlock()
		u.done.Go(func() { u.serve(connection) })
	}
}

func (u *upstream) serve(connection net.Conn) {
	r := bufio.NewReader(connection)
	for {
		a, err := readArrival(r)
		if err != nil {
			break
		}
		u.requests.Add(1)
		if mark := a.header.Get(markHeader); mark != "" {
			u.lock.Lock()
			u.marked[mark] = a
			u.lock.Unlock()
		}
		if a.header.Get("Upgrade") == "websocket" {
			_, _ = io.WriteString(connection, switching) // who has gone does not read it
			_, _ = io.Copy(connection, r)
			break
		}
		if _, err := io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			break
		}
	}
	u.lock.Lock()
	delete(u.open, connection)
	u.lock.Unlock()
	_ = connection.Close() // the proxy has, or will
}

// switching is the answer to an upgrade; what comes after it is sent back.
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

func readArrival(r *bufio.Reader) (a arrival, err error) {
	lines := textproto.NewReader(r)
	line, err := lines.ReadLine()
	if err != nil {
		return a, err
	}
	method, rest, _ := strings.Cut(line, " ")
	at := strings.LastIndexByte(rest, ' ')
	if at < 0 {
		return a, fmt.Errorf("no request line: %q", line)
	}
	a.method, a.target = method, rest[:at]
	if a.header, err = lines.ReadMIMEHeader(); err != nil {
		return a, err
	}
	return a, discardBody(r, a.header)
}

func discardBody(r *bufio.Reader, header textproto.MIMEHeader) error {
	if strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(r)); err != nil {
			return err
		}
		_, err := textproto.NewReader(r).ReadMIMEHeader() // trailers and the last line
		return err
	}
	if header.Get("Content-Length") == "" {
		return nil
	}
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, r, length)
	return err
}
