package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// required are the files that `npm run vendor` makes.
var required = []string{"vendor/pico.css", "vendor/htmx.js", "vendor/uplot.js", "vendor/uplot.css"}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

// Assets serves static files under URLs that change with their content.
type Assets struct {
	files   map[string]asset
	Missing string // names of the required files that are not there
}

type asset struct {
	sum         string
	contentType string
	body        []byte
	zipped      []byte
}

// LoadAssets reads all files below static/.
func LoadAssets(files fs.FS) (*Assets, error) {
	a := &Assets{files: map[string]asset{}}
	err := fs.WalkDir(files, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		a.files[strings.TrimPrefix(name, "static/")], err = newAsset(name, body)
		return err
	})
	var missing []string
	for _, name := range required {
		if _, ok := a.files[name]; !ok {
			missing = append(missing, name)
		}
	}
	a.Missing = strings.Join(missing, ", ")
	return a, err
}

func newAsset(name string, body []byte) (asset, error) {
	sum := sha256.Sum256(body)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(body); err != nil {
		return asset{}, err
	}
	if err := z.Close(); err != nil {
		return asset{}, err
	}
	return asset{
		sum:         hex.EncodeToString(sum[:6]),
		contentType: contentTypes[path.Ext(name)],
		body:        body,
		zipped:      zipped.Bytes(),
	}, nil
}

// URL is where the file of that name is served, with its checksum.
func (a *Assets) URL(name string) string {
	return "/static/" + a.files[name].sum + "/" + name
}

// ServeHTTP answers /static/SUM/NAME. A page from before an upgrade may ask for
// an old sum: it gets the new file, which then must not be kept under that URL.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sum, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/static/"), "/")
	file, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Vary", "Accept-Encoding")
	if sum == file.sum {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	body := file.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = file.zipped
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody to tell
	}
}
