package portal

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"reflect"
)

//go:embed templates
var templateFiles embed.FS

// views are all pages: the template of each, by the type of its view.
var views = map[string]any{
	"login":           loginView{},
	"message":         messageView{},
	"products":        productsView{},
	"product":         productView{},
	"applications":    applicationsView{},
	"application-new": applicationNewView{},
	"key-new":         keyNewView{},
	"key-shown":       keyShownView{},
	"key-rotate":      keyRotateView{},
	"key-revoke":      keyRevokeView{},
	"members":         membersView{},
	"member-invite":   memberInviteView{},
	"member-invited":  memberInvitedView{},
	"member-remove":   memberRemoveView{},
	"password":        passwordView{},
	"invitation":      invitationView{},
	"usage":           usageView{},
	"requests":        requestsView{},
	"error-index":     errorIndexView{},
	"error-doc":       errorDocView{},
}

// pages are the parsed templates by the type of the view that each shows.
type pages map[reflect.Type]*template.Template

// parsePages parses every page and executes each twice, with an empty view and
// with one in which everything is there, so that a template and its view that
// do not fit fail at start and not before a reader.
func parsePages(a *assets) (pages, error) {
	shared, err := template.New("layout.html").Funcs(functions(a)).
		ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	all := pages{}
	for name, view := range views {
		page, err := shared.Clone()
		if err == nil {
			_, err = page.ParseFS(templateFiles, "templates/"+name+".html")
		}
		for _, example := range []any{view, filled(reflect.TypeOf(view)).Interface()} {
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

// filled is a value of a view's type in which nothing is empty.
func filled(t reflect.Type) reflect.Value {
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
		v.Set(reflect.Append(v, filled(v.Type().Elem())))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	}
}

// render answers with a view's page, or with 500 and no half page.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, view any) {
	var body bytes.Buffer
	if err := s.pages[reflect.TypeOf(view)].Execute(&body, view); err != nil {
		s.logger.ErrorContext(r.Context(), "a page of the portal failed", "error", err, "method", r.Method, "path", r.URL.Path)
		http.Error(w, "The portal failed to make this page. Try again.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client is gone: nobody to tell
}

func (v *visit) render(view any) error {
	v.server.render(v.w, v.r, http.StatusOK, view)
	return nil
}

func functions(a *assets) template.FuncMap {
	return template.FuncMap{"asset": a.url, "icon": icon, "number": number, "path": pathParts, "paragraphs": paragraphs, "spans": spans}
}
