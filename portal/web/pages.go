package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"reflect"
)

//go:embed templates
var partFiles embed.FS

// Pages are parsed templates by the type of the view that each shows.
type Pages map[reflect.Type]*template.Template

// ParsePages parses the pages of templates/, which share templates/layout.html
// and the parts of this package. views are the pages: the view of each by the
// name of its template. It executes each twice, with an empty view and with one
// in which everything is there, so that a template and its view that do not fit
// fail at start and not before a reader.
func ParsePages(a *Assets, templates fs.FS, views map[string]any) (Pages, error) {
	shared, err := template.New("layout.html").Funcs(functions(a)).ParseFS(partFiles, "templates/*.html")
	if err == nil {
		shared, err = shared.ParseFS(templates, "templates/layout.html")
	}
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	all := Pages{}
	for name, view := range views {
		page, err := shared.Clone()
		if err == nil {
			_, err = page.ParseFS(templates, "templates/"+name+".html")
		}
		for _, example := range []any{view, Filled(reflect.TypeOf(view)).Interface()} {
			if err == nil {
				err = page.Execute(io.Discard, example)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("portal: page %s: %w", name, err)
		}
		all[reflect.TypeOf(view)] = page
	}
	return all, nil
}

// Filled is a value of a view's type in which nothing is empty.
func Filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	fill(v)
	return v
}

func fill(v reflect.Value) {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			fill(v.Field(i))
		}
		return
	}
	if !v.CanSet() { // unexported: no template reads it
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.Append(v, Filled(v.Type().Elem())))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	}
}

// Render answers with a view's page, or with 500 and no half page.
func (s *Site) Render(w http.ResponseWriter, r *http.Request, status int, view any) {
	var body bytes.Buffer
	if err := s.Pages[reflect.TypeOf(view)].Execute(&body, view); err != nil {
		s.Logger.ErrorContext(r.Context(), "a page of the portal failed", "error", err, "method", r.Method, "path", r.URL.Path)
		http.Error(w, "The portal failed to make this page. Try again.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client is gone: nobody to tell
}

func functions(a *Assets) template.FuncMap {
	return template.FuncMap{"asset": a.URL, "icon": icon, "number": Number, "path": PathParts, "paragraphs": Paragraphs, "spans": Spans}
}
