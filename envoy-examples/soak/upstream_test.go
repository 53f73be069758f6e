package soak

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// markHeader names each call; the upstream remembers it by that.
const markHeader = "X-Soak-Call"

// arrival is a call as the upstream saw it.
type arrival struct {
	began, ended time.Time // ended is before the answer leaves
	times        int       // how often it came: 1
	partner      string
	environment  string
	subscription string
	withKey      bool // the credential was not removed
}

// upstream is the API behind both Envoys.
type upstream struct {
	server   http.Server
	port     int
	lock     sync.Mutex
	arrivals map[string]*arrival
}

func startUpstream() (*upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{port: listener.Addr().(*net.TCPAddr).Port, arrivals: map[string]*arrival{}}
	u.server.Handler = u
	u.server.ReadHeaderTimeout = time.Minute
	go func() { _ = u.server.Serve(listener) }() // until it is closed
	return u, nil
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := u.arrive(r)
	switch {
	case r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/octet-stream":
		echo(w, r)
	case r.URL.Query().Has("ms"):
		hold(r)
	}
	u.lock.Lock()
	a.ended = time.Now()
	u.lock.Unlock()
	if r.Header.Get("Content-Type") == "application/grpc" {
		w.Header().Set("Grpc-Status", "0")
	}
	_, _ = io.WriteString(w, "ok") // a client that is gone needs none
}

func (u *upstream) arrive(r *http.Request) *arrival {
	h := r.Header
	u.lock.Lock()
	defer u.lock.Unlock()
	a := u.arrivals[h.Get(markHeader)]
	if a == nil {
		a = &arrival{}
		u.arrivals[h.Get(markHeader)] = a
	}
	a.times++
	a.began = time.Now()
	a.partner, a.environment, a.subscription = h.Get("X-Partner-Id"), h.Get("X-Partner-Environment"), h.Get("X-Partner-Subscription")
	a.withKey = h.Get("X-Api-Key") != "" || h.Get("Authorization") != ""
	return a
}

// hold keeps a call in flight as long as its query says, or until its client goes.
func hold(r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	if err != nil {
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-r.Context().Done():
	}
}

// echo sends back what comes, piece by piece as it comes.
func echo(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if control.EnableFullDuplex() != nil {
		return
	}
	buffer := make([]byte, 16<<10)
	for {
		n, err := r.Body.Read(buffer)
		if _, wrong := w.Write(buffer[:n]); wrong != nil || err != nil || control.Flush() != nil {
			return
		}
	}
}
