package envoyexamples

import (
	"io"
	"net/http"
	"strconv"
)

// echo sends back what comes, as it comes.
func (u *labUpstream) echo(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
	buffer := make([]byte, 16<<10)
	for {
		n, err := r.Body.Read(buffer)
		if _, wrong := w.Write(buffer[:n]); wrong != nil {
			return
		}
		if wrong := control.Flush(); wrong != nil || err != nil {
			return
		}
	}
}

// download sends as many bytes as the query says.
func (u *labUpstream) download(w http.ResponseWriter, r *http.Request) {
	left, err := strconv.Atoi(r.URL.Query().Get("bytes"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	piece := make([]byte, 64<<10)
	for left > 0 {
		n := min(left, len(piece))
		if _, err := w.Write(piece[:n]); err != nil {
			return
		}
		left -= n
	}
}

// upgrade switches to a protocol in which everything is sent back.
func (u *labUpstream) upgrade(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" {
		http.Error(w, "no upgrade", http.StatusBadRequest)
		return
	}
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = connection.Close() }() // the other side has, or will
	if _, err := io.WriteString(connection, switching); err != nil {
		return
	}
	_, _ = io.Copy(connection, buffered) // until the client goes
}

// reset breaks the connection: before the answer, or for /lab/cut in the middle of it.
func (u *labUpstream) reset(w http.ResponseWriter, r *http.Request) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if r.URL.Path == "/lab/cut" {
		_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this") // the connection breaks anyway
	}
	_ = connection.Close()
}
