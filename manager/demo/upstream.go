package demo

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"
)

// startUpstream serves the sample answers of one product and returns its port.
func (d *demo) startUpstream(name, flag string, port int) (int, error) {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return 0, d.Ports.explain(err, name+" upstream", flag, port)
	}
	server := &http.Server{
		Handler: upstream(name), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(d.logger.Handler(), slog.LevelWarn),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.logger.Error("upstream ended", "part", name, "error", err)
		}
	}()
	d.parts = append(d.parts, part{"the " + name + " upstream", done, func() error {
		err := server.Close()
		<-done
		return err
	}})
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// received is what an upstream saw of a request: the path as it came, and who
// Partnergate says is calling. The credential never gets here.
type received struct {
	Upstream string            `json:"upstream"`
	Method   string            `json:"method"`
	Host     string            `json:"host"`
	Path     string            `json:"path"`
	Query    string            `json:"query,omitempty"`
	Partner  map[string]string `json:"partner_headers"`
}

// upstream answers as the product's OpenAPI document says, and adds what it received.
func upstream(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, query, _ := strings.Cut(r.RequestURI, "?")
		s := sampleFor(samples[name], r.Method, path)
		switch {
		case s.text != "":
			w.Header().Set("Content-Type", "text/csv")
			w.WriteHeader(s.status)
			_, _ = io.WriteString(w, s.text) // the client may be gone
		case s.body == nil:
			w.WriteHeader(s.status)
		default:
			answer := object{"received": received{name, r.Method, r.Host, path, query, partnerHeaders(r.Header)}}
			maps.Copy(answer, s.body)
			writeJSON(w, s.status, answer)
		}
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // the client may be gone
}

func partnerHeaders(header http.Header) map[string]string {
	found := map[string]string{}
	for name := range header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-partner-") {
			found[lower] = strings.Join(header.Values(name), ", ")
		}
	}
	return found
}

// sampleFor finds the sample of a method and path, the one with the fewest parameters.
func sampleFor(samples map[string]sample, method, path string) sample {
	best, fewest := sample{http.StatusNotFound, object{"error": "this upstream has nothing here"}, ""}, -1
	for key, s := range samples {
		sampleMethod, template, _ := strings.Cut(key, " ")
		n, ok := fits(template, path)
		if ok && sampleMethod == method && (fewest < 0 || n < fewest) {
			best, fewest = s, n
		}
	}
	return best
}

// fits counts the parameters of a template that path is one of.
func fits(template, path string) (parameters int, ok bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return 0, false
	}
	for i := range want {
		switch {
		case strings.HasPrefix(want[i], "{"):
			parameters++
		case want[i] != got[i]:
			return 0, false
		}
	}
	return parameters, true
}
