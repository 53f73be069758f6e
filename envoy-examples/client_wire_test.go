package envoyexamples

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wireConn is an HTTP/1.1 connection on which a test writes the bytes itself, so that nothing corrects them on their way.
type wireConn struct {
	net.Conn
	r *bufio.Reader
}

func dialWire(address string) (*wireConn, error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &wireConn{connection, bufio.NewReader(connection)}, nil
}

// request is one request, byte for byte, without a body.
type request struct {
	method, target, host string
	headers              []string // lines
}

func (r request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, r.target)
	if r.host != "" {
		fmt.Fprintf(&b, "host: %s\r\n", r.host)
	}
	for _, header := range r.headers {
		b.WriteString(header + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// ask sends one request and reads its answer.
func (c *wireConn) ask(r request) (answer, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	if _, err := io.WriteString(c, r.String()); err != nil {
		return answer{}, err
	}
	response, err := http.ReadResponse(c.r, &http.Request{Method: r.method})
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body), response.Close}, err
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool // the connection takes no further request
}

// ask sends one request over a connection of its own.
func ask(address string, r request) (answer, error) {
	connection, err := dialWire(address)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = connection.Close() }()
	return connection.ask(r)
}

// askPatiently asks again where a lease was not there in time, as the refusal says: the first of a limit may take a busy machine
// longer than a request waits for it. seen gets every answer.
func askPatiently(address string, r request, seen func(answer)) (a answer, err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if a, err = ask(address, r); err != nil {
			return a, err
		}
		seen(a)
		if a.outcome() != "limit_unavailable" {
			break
		}
	}
	return a, nil
}

// bodyOf reads the body of an answer to a client of net/http, and closes it.
func bodyOf(t testing.TB, response *http.Response) string {
	t.Helper()
	defer func() { _ = response.Body.Close() }() // it is read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// problem is the body of a refusal.
type problem struct {
	Type          string `json:"type"`
	Title         string `json:"title"`
	Status        int    `json:"status"`
	Detail        string `json:"detail"`
	Code          string `json:"code"`
	RequestID     string `json:"request_id"`
	PolicyVersion int64  `json:"policy_version"`
	Limit         string `json:"limit"`
}

// problem reads the body as a refusal by the filters; ok is false where it is none.
func (a answer) problem() (p problem, ok bool) {
	if a.header.Get("Content-Type") != "application/problem+json" {
		return p, false
	}
	err := json.Unmarshal([]byte(a.body), &p)
	return p, err == nil && p.Code != ""
}

// outcome is "admitted" or the refusal's code; "" for an answer that the filters did not make.
func (a answer) outcome() string {
	if p, ok := a.problem(); ok {
		return p.Code
	}
	if a.status == http.StatusOK {
		return "admitted"
	}
	return ""
}
