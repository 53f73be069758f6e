package envoyexamples

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// askUpgrade asks for a WebSocket on a connection, and returns the connection as it goes on, with the status of the answer.
func askUpgrade(t testing.TB, connection net.Conn, host, path, key string) (net.Conn, int) {
	t.Helper()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	q := request{method: http.MethodGet, target: path, host: host, headers: []string{"connection: Upgrade", "upgrade: websocket"}}
	if key != "" {
		q.headers = append(q.headers, "x-api-key: "+key)
	}
	if _, err := io.WriteString(connection, q.String()); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(connection)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return readAhead{connection, r}, response.StatusCode
}

// readAhead is a connection some of whose bytes have been read already.
type readAhead struct {
	net.Conn
	r io.Reader
}

func (c readAhead) Read(p []byte) (int, error) { return c.r.Read(p) }

// echoes checks that what is sent comes back.
func echoes(t testing.TB, connection net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(connection, back); err != nil || string(back) != text {
		t.Errorf("the socket sent back %q, %v; want %q", back, err, text)
	}
}
