//go:build unix && !aix && !solaris && !illumos

package lockfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// tryLock reports whether the lock was free, and is this file's now.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, nil
	case err == nil, errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
		return true, nil // the last two: a file system without locks
	}
	return false, fmt.Errorf("lock %s: %w", file.Name(), err)
}

// unlock comes before the file is closed: a process that is being started has a
// copy of the file until it runs its program, which would keep the lock.
func unlock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK) {
		return nil // it was never locked
	}
	return err
}
