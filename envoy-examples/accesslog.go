package envoyexamples

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// Access is one line of the examples' access log. Fields that do not apply to a request are empty.
type Access struct {
	Time          string `json:"time"`
	RequestID     string `json:"request_id"`
	Method        string `json:"method"`
	Host          string `json:"host"`
	Path          string `json:"path"`
	Status        int    `json:"status"`
	Upstream      string `json:"upstream"`
	Partner       string `json:"partner"`
	Application   string `json:"application"`
	Product       string `json:"product"`
	Environment   string `json:"environment"`
	Operation     string `json:"operation"`
	Subscription  string `json:"subscription"`
	Outcome       string `json:"outcome"`
	Limit         string `json:"limit"`
	PolicyVersion string `json:"policy_version"`
}

// AccessLog collects access log lines for a test: give it to Launch as Options.AccessLog. The zero value is ready.
type AccessLog struct {
	lock    sync.Mutex
	partial []byte
	entries []Access
	grown   chan struct{} // closed at the next line
	bad     error
}

// Write takes log lines, in pieces of any size.
func (l *AccessLog) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			break
		}
		l.add(line)
		l.partial = rest
	}
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return len(p), nil
}

func (l *AccessLog) add(line []byte) {
	var entry Access
	if err := json.Unmarshal(line, &entry); err != nil {
		l.bad = fmt.Errorf("access log line %q: %w", line, err)
		return
	}
	l.entries = append(l.entries, entry)
}

// Entries are all lines so far.
func (l *AccessLog) Entries() []Access {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.entries)
}

// Await returns the first line that matches, past or coming. It fails when ctx ends or a line is not what Access describes.
func (l *AccessLog) Await(ctx context.Context, match func(Access) bool) (Access, error) {
	for {
		entry, found, grown, err := l.find(match)
		if found || err != nil {
			return entry, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return Access{}, fmt.Errorf("no such line in the access log: %w", context.Cause(ctx))
		}
	}
}

func (l *AccessLog) find(match func(Access) bool) (entry Access, found bool, grown <-chan struct{}, err error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if at := slices.IndexFunc(l.entries, match); at >= 0 {
		return l.entries[at], true, nil, nil
	}
	if l.grown == nil {
		l.grown = make(chan struct{})
	}
	return Access{}, false, l.grown, l.bad
}
