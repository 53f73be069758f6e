package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress is one line on a terminal that tells, after the first second and
// every second from then on, what takes so long. It is safe for concurrent use.
type progress struct {
	out   io.Writer
	begun time.Time
	stop  chan struct{}
	ended chan struct{}

	mu    sync.Mutex
	phase string
}

// progress begins to tell of a phase, until done. Where standard error is no
// terminal nothing is told.
func (c *command) progress(format string, args ...any) *progress {
	p := &progress{out: c.process.Stderr, begun: time.Now(), phase: fmt.Sprintf(format, args...), stop: make(chan struct{}), ended: make(chan struct{})}
	if !isTerminal(c.process.Stderr) {
		close(p.ended)
		return p
	}
	tick := time.NewTicker(time.Second)
	go func() {
		defer tick.Stop()
		p.tell(tick.C)
	}()
	return p
}

// say replaces the phase.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = fmt.Sprintf(format, args...)
}

// done ends the line and wipes it away.
func (p *progress) done() {
	close(p.stop)
	<-p.ended
}

const wipe = "\r\033[K"

// tell writes the line at each tick until done.
func (p *progress) tell(tick <-chan time.Time) {
	defer close(p.ended)
	told := false
	for {
		select {
		case <-p.stop:
			if told {
				_, _ = io.WriteString(p.out, wipe) // only for comfort, as below
			}
			return
		case now := <-tick:
			p.mu.Lock()
			phase := p.phase
			p.mu.Unlock()
			_, _ = fmt.Fprintf(p.out, "%s%s … %s", wipe, phase, now.Sub(p.begun).Round(time.Second))
			told = true
		}
	}
}

// slowly tells a person at a terminal what takes longer than a second, until done is called.
func (c *command) slowly(format string, args ...any) (done func()) {
	return c.progress(format, args...).done
}

// megabytes shows a number of bytes.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
