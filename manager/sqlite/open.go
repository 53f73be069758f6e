package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// lockWait is how long a write waits for another process that holds the file's lock.
const lockWait = 5 * time.Second

// Open opens the store in the file at path and brings its schema up to date.
// It makes a missing file (mode 0600) and its folder (mode 0700). Errors name
// the path and what to do.
func Open(ctx context.Context, path string) (*Store, error) {
	return open(ctx, path, lockWait)
}

func open(ctx context.Context, path string, wait time.Duration) (*Store, error) {
	path, err := makeFile(path)
	if err != nil {
		return nil, err
	}
	s := &Store{few: fewRequests}
	if s.writer, err = connect(path, 1, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {busyTimeout(wait), "journal_mode(WAL)", "synchronous(FULL)", "journal_size_limit(67108864)", "cache_size(-65536)"},
	}); err != nil {
		return nil, explain(path, err)
	}
	if err := migrate(ctx, s.writer); err != nil {
		return nil, errors.Join(explain(path, err), s.writer.Close())
	}
	if s.reader, err = connect(path, max(4, runtime.NumCPU()), url.Values{
		"_txlock": {"deferred"},
		"_pragma": {busyTimeout(wait), "query_only(1)", "cache_size(-16384)"},
	}); err != nil {
		return nil, errors.Join(explain(path, err), s.writer.Close())
	}
	return s, nil
}

func busyTimeout(wait time.Duration) string {
	return "busy_timeout(" + strconv.FormatInt(wait.Milliseconds(), 10) + ")"
}

func connect(path string, connections int, parameters url.Values) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// makeFile makes sure that the file exists and can be written, and returns its absolute path.
// SQLite itself would make it readable for everybody, and it tells less about what is wrong.
func makeFile(path string) (string, error) {
	if path == "" {
		return "", errors.New("open the SQLite store: the path is empty; name a file, such as /var/lib/partnergate/partnergate.db")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open the SQLite store %s: %w", path, err)
	}
	folder := filepath.Dir(absolute)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("open the SQLite store %s: its folder cannot be made: %w; make %s and give it to the user that runs this, or choose another path", absolute, err, folder)
	}
	file, err := os.OpenFile(absolute, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("open the SQLite store: %w; it must be a file that the user that runs this can read and write, in a folder where that user can make files; repair that, or choose another path", err)
	}
	if err := file.Close(); err != nil {
		return "", fmt.Errorf("open the SQLite store: %w", err)
	}
	return absolute, nil
}

// explain adds the path, and the remedy for what usually goes wrong.
func explain(path string, err error) error {
	return fmt.Errorf("open the SQLite store %s: %w%s", path, err, remedy(path, err))
}

func remedy(path string, err error) string {
	var failed *driver.Error
	if !errors.As(err, &failed) {
		return ""
	}
	switch failed.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return "; the file is not a SQLite database: choose another path, or put a backup of the store there"
	case sqlite3.SQLITE_CORRUPT:
		return "; the file is damaged: move it away and put a backup of the store there"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "; another process keeps the file locked: end it (fuser " + path + " names it), or choose another path"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return "; the user that runs this must be able to make files in " + filepath.Dir(path) + ": SQLite keeps its log beside the store"
	case sqlite3.SQLITE_FULL:
		return "; the disk is full: make room"
	}
	return ""
}
