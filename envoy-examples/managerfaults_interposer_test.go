package envoyexamples

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// interposer stands between an Envoy and its manager, and answers as it is told.
type interposer struct {
	*httptest.Server
	lock    sync.Mutex
	manager string
	answer  faultyAnswer
	under   context.Context // of what is asked while this answer holds
	cancel  context.CancelFunc
}

// faultyAnswer answers a call, or reports false where it has waited for the manager until answers were to be others.
type faultyAnswer func(*interposed) bool

// interposed is one call of a proxy to its manager.
type interposed struct {
	http.ResponseWriter
	request *http.Request // ends when the proxy gives up, or when answers are to be others
	manager string
}

func startInterposer(t *testing.T, manager string) *interposer {
	t.Helper()
	i := &interposer{manager: manager}
	i.say(nil)
	i.Server = httptest.NewServer(i)
	t.Cleanup(func() { i.say(nil); i.Close() })
	return i
}

func (i *interposer) port() int { return i.Listener.Addr().(*net.TCPAddr).Port }

// say replaces all answers from now on, those under way included; nil is the manager's own.
func (i *interposer) say(answer faultyAnswer) {
	i.lock.Lock()
	defer i.lock.Unlock()
	i.answer = answer
	i.renew()
}

// to asks another manager from now on.
func (i *interposer) to(manager string) {
	i.lock.Lock()
	defer i.lock.Unlock()
	i.manager = manager
	i.renew()
}

func (i *interposer) renew() {
	if i.cancel != nil {
		i.cancel()
	}
	i.under, i.cancel = context.WithCancel(context.Background())
}

func (i *interposer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the proxy has gone
	}
	for !i.serve(w, r, body) && r.Context().Err() == nil {
	}
}

func (i *interposer) serve(w http.ResponseWriter, r *http.Request, body []byte) (answered bool) {
	i.lock.Lock()
	answer, manager, under := i.answer, i.manager, i.under
	i.lock.Unlock()
	if answer == nil {
		answer = altered("", func(body []byte) []byte { return body })
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(under, cancel)()
	r = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return answer(&interposed{w, r, manager})
}

// real is what the manager answers.
func (c *interposed) real() (contentType string, status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(c.request.Context(), c.request.Method, c.manager+c.request.URL.Path, c.request.Body)
	if err != nil {
		return "", 0, nil, err
	}
	r.Header = c.request.Header.Clone()
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return "", 0, nil, fmt.Errorf("ask the manager: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	return response.Header.Get("Content-Type"), response.StatusCode, body, err
}

// hang answers nothing.
func (c *interposed) hang() bool {
	<-c.request.Context().Done()
	return c.reset()
}

// hangInBody begins an answer.
func (c *interposed) hangInBody() bool {
	c.begin("begun")
	return c.hang()
}

// reset breaks the connection.
func (c *interposed) reset() bool { panic(http.ErrAbortHandler) }

// resetInBody breaks the connection in the middle of an answer.
func (c *interposed) resetInBody() bool {
	half := "half"
	c.Header().Set("Content-Length", strconv.Itoa(2*len(half)))
	c.begin(half)
	return c.reset()
}

func (c *interposed) begin(text string) {
	c.Header().Set("Content-Type", binaryType)
	_, _ = io.WriteString(c, text) // the proxy may have gone
	_ = http.NewResponseController(c.ResponseWriter).Flush()
}

// say answers in the manager's place, without asking it.
func say(status int, contentType, body string) faultyAnswer {
	return func(c *interposed) bool {
		c.Header().Set("Content-Type", contentType)
		c.WriteHeader(status)
		_, _ = io.WriteString(c, body) // the proxy may have heard enough
		return true
	}
}

// altered changes what the manager answers to calls of one path, or to all: it has stored a batch of usage that the proxy cannot know of.
func altered(path string, change func([]byte) []byte) faultyAnswer {
	return func(c *interposed) bool {
		contentType, status, body, err := c.real()
		if err != nil && c.request.Context().Err() != nil {
			return false
		}
		if err != nil {
			return c.reset()
		}
		if path == "" || path == c.request.URL.Path {
			body = change(body)
		}
		return say(status, contentType, string(body))(c)
	}
}

func noise(size int) string {
	random := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}
