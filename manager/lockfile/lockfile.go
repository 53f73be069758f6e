// Package lockfile lets one process at a time have something: who takes a file's
// lock has it until it gives it back or dies, since the kernel keeps the lock.
package lockfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Lock is held until Release.
type Lock struct{ file *os.File }

// HeldError says that somebody else holds the lock.
type HeldError struct {
	Path   string
	Holder string // such as "process 123 on host db1"; "another process" where it cannot be told
}

func (e *HeldError) Error() string { return fmt.Sprintf("%s is locked by %s", e.Path, e.Holder) }

// Take takes the lock of the file at path, and makes the file where it is
// missing; its folder must be there. It waits for nobody: where another holds the
// lock, in this process or elsewhere, the error is a HeldError. Where the system
// or the file system has no such locks, everybody gets one.
func Take(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrPermission) {
		file, err = os.Open(path) // another user's, as root leaves it: it can be locked all the same
	}
	if err != nil {
		return nil, fmt.Errorf("take the lock: %w", err)
	}
	free, err := tryLock(file)
	if err == nil && !free {
		err = &HeldError{Path: path, Holder: holder(file)}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &Lock{file: file}
	l.note(fmt.Sprintf("process %d%s\n", os.Getpid(), onHost()))
	return l, nil
}

// Release gives the lock back. The file stays: were it removed, two could hold
// the locks of two files of one name.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	l.note("")
	return errors.Join(unlock(l.file), l.file.Close())
}

// note says in the file who holds it. It is for people: the lock is the kernel's.
func (l *Lock) note(text string) {
	_ = l.file.Truncate(0)
	_, _ = l.file.WriteAt([]byte(text), 0)
}

func holder(file *os.File) string {
	text, _ := io.ReadAll(io.LimitReader(file, 300))
	if name := strings.TrimSpace(string(text)); strings.HasPrefix(name, "process ") {
		return name
	}
	return "another process"
}

// onHost matters where containers or machines share a folder.
func onHost() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return " on host " + name
}
