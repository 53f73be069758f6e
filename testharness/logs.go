package testharness

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// LogLevel is the level of a log entry, as the ABI numbers them.
type LogLevel uint32

// The levels of the ABI.
const (
	LogTrace LogLevel = iota
	LogDebug
	LogInfo
	LogWarn
	LogError
	LogCritical
)

func (l LogLevel) String() string {
	names := [...]string{"trace", "debug", "info", "warn", "error", "critical"}
	if int(l) < len(names) {
		return names[l]
	}
	return fmt.Sprintf("level %d", uint32(l))
}

// LogEntry is what a guest logged, with proxy_log or to its standard output
// (as info) or error (as error), or what the proxy logged about it.
type LogEntry struct {
	Time    time.Time
	Level   LogLevel
	Message string
	Plugin  string // plugin name; empty for the proxy's own entries
	RootID  string
	VMID    string
	Worker  int // -1 for the main thread and for the proxy's own entries
}

// maxLogs is how many log entries are kept; older ones are dropped.
const maxLogs = 10_000

type logStore struct {
	handle func(LogEntry)
	mu     sync.Mutex
	kept   []LogEntry
}

func (s *logStore) append(entry LogEntry) {
	s.mu.Lock()
	if len(s.kept) >= 2*maxLogs {
		s.kept = append([]LogEntry(nil), s.kept[len(s.kept)-maxLogs:]...)
	}
	s.kept = append(s.kept, entry)
	s.mu.Unlock()
	if s.handle != nil {
		s.handle(entry)
	}
}

// Logs returns the log, oldest first: at least the last 10,000 entries.
func (p *Proxy) Logs() []LogEntry {
	p.logs.mu.Lock()
	defer p.logs.mu.Unlock()
	return append([]LogEntry(nil), p.logs.kept...)
}

// entry makes a log entry on behalf of a context, or of the proxy.
func (p *Proxy) entry(c *guestContext, level LogLevel, message string) LogEntry {
	e := LogEntry{Time: p.clock.Now(), Level: level, Message: message, Worker: mainThread}
	if c != nil {
		e.Plugin, e.RootID, e.VMID = c.filter.name, c.filter.rootID, c.filter.vmID
		e.Worker = c.vm.thread.index
	}
	return e
}

// logWriter logs what is written to it, line by line.
func (v *vm) logWriter(level LogLevel) io.Writer { return &lineWriter{vm: v, level: level} }

type lineWriter struct {
	vm    *vm
	level LogLevel
	line  []byte
}

// maxLine is where a line that does not end is cut.
const maxLine = 64 << 10

func (w *lineWriter) Write(data []byte) (int, error) {
	w.line = append(w.line, data...)
	for {
		end := bytes.IndexByte(w.line, '\n')
		if end < 0 && len(w.line) < maxLine {
			return len(data), nil
		}
		next := end + 1
		if end < 0 {
			end, next = maxLine, maxLine
		}
		c := w.vm.current
		if c == nil {
			c = &guestContext{vm: w.vm, filter: w.vm.filter}
		}
		w.vm.thread.proxy.logs.append(w.vm.thread.proxy.entry(c, w.level, string(w.line[:end])))
		w.line = append(w.line[:0], w.line[next:]...)
	}
}
