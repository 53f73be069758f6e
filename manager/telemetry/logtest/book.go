// Package logtest is for tests that look at what was logged.
package logtest

import (
	"strings"
	"sync"
)

// Book keeps what is written to it, by many at once, and may be read meanwhile.
// The zero value is empty.
type Book struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (b *Book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is all that was written.
func (b *Book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
