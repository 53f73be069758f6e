package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// modules serves the wasm files of a folder and remembers their digests.
type modules struct {
	dir string

	mu      sync.Mutex
	digests map[string]moduleDigest
}

type moduleDigest struct {
	size     int64
	modified time.Time
	sum      string
}

// moduleName is what a file's name may be: nothing in it leaves the folder.
var moduleName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*\.wasm$`)

// module answers /wasm/<module>.wasm with its SHA-256 as checksum and entity
// tag, and /wasm/<module>.wasm.sha256 with the digest in the form of sha256sum.
func (a *api) module(c *gin.Context) error {
	name, wantDigest := strings.CutSuffix(c.Param("file"), ".sha256")
	if a.modules.dir == "" || !moduleName.MatchString(name) {
		return errNoRoute(c.Request)
	}
	file, info, err := a.modules.open(name)
	if os.IsNotExist(err) {
		return errNoRoute(c.Request)
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	sum, err := a.modules.digest(name, file, info)
	if err != nil {
		return err
	}
	if wantDigest {
		c.String(http.StatusOK, "%s  %s\n", sum, name)
		return nil
	}
	c.Header("Content-Type", "application/wasm")
	c.Header("X-Checksum-Sha256", sum)
	c.Header("ETag", `"`+sum+`"`)
	http.ServeContent(c.Writer, c.Request, name, info.ModTime(), file)
	return nil
}

func (m *modules) open(name string) (*os.File, os.FileInfo, error) {
	root, err := os.OpenRoot(m.dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }() // the file stays open
	file, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = os.ErrNotExist
	}
	if err != nil {
		_ = file.Close() // only read
		return nil, nil, err
	}
	return file, info, nil
}

// digest reads the file only when it has changed since the last time.
func (m *modules) digest(name string, file *os.File, info os.FileInfo) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, ok := m.digests[name]; ok && d.size == info.Size() && d.modified.Equal(info.ModTime()) {
		return d.sum, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if m.digests == nil {
		m.digests = map[string]moduleDigest{}
	}
	m.digests[name] = moduleDigest{info.Size(), info.ModTime(), sum}
	return sum, nil
}
