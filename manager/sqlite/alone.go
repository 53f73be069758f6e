package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/partnergate/partnergate/manager/lockfile"
)

// OpenAlone is Open for who must be the only one to change the store: a manager,
// since two on one file would grant limits twice, and who replaces what is in
// it. It holds the lock of the file path.lock until the store is closed or the
// process dies, and fails at once while another holds it, before anything is
// changed. Open itself asks for no lock.
func OpenAlone(ctx context.Context, path string) (*Store, error) {
	path, err := makeFile(path)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path) // one file, one lock
	if err != nil {
		return nil, explain(path, err)
	}
	lock, err := lockfile.Take(real + ".lock")
	var held *lockfile.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("the SQLite store %s is in use by %s, a manager or a restore, and only one may use it at a time: "+
			"stop that one, name another file, or take MongoDB as the store, which several managers can share", path, held.Holder)
	}
	if err != nil {
		return nil, explain(path, err)
	}
	s, err := Open(ctx, path)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	s.lock = lock
	return s, nil
}
