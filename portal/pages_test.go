package portal

import (
	"bytes"
	"html/template"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

func TestMissingAssetsAreNamed(t *testing.T) {
	a, err := web.LoadAssets(fstest.MapFS{"static/base.css": {Data: []byte("x")}, "static/vendor/htmx.js": {Data: []byte("x")}})
	must(t, err)
	if a.Missing != "vendor/pico.css, vendor/uplot.js, vendor/uplot.css" {
		t.Errorf("missing are %s", a.Missing)
	}
	all, err := web.ParsePages(a, templateFiles, views)
	must(t, err)
	var page bytes.Buffer
	must(t, all[reflect.TypeFor[loginView]()].Execute(&page, loginView{Frame: frame{Frame: web.Frame{AssetsMissing: a.Missing}}}))
	if !strings.Contains(page.String(), "make portal") || strings.Contains(page.String(), "vendor/htmx.js\"") {
		t.Error("the page does not say what is missing, or asks for it")
	}
}

func TestEveryViewHasItsTemplate(t *testing.T) {
	entries, err := templateFiles.ReadDir("templates")
	must(t, err)
	if len(entries) != len(views)+1 { // layout
		t.Errorf("there are %d templates for %d views", len(entries)-1, len(views))
	}
}

// TestFilledLeavesNothingEmpty is what lets the check at start reach every branch of a template.
func TestFilledLeavesNothingEmpty(t *testing.T) {
	for name, view := range views {
		if empty := firstEmpty(name, web.Filled(reflect.TypeOf(view))); empty != "" {
			t.Errorf("%s is empty", empty)
		}
	}
	broken := template.Must(template.New("").Parse("{{range .Products}}{{.Nonsense}}{{end}}"))
	if broken.Execute(&bytes.Buffer{}, web.Filled(reflect.TypeFor[productsView]()).Interface()) == nil {
		t.Error("a field that does not exist is not found")
	}
}

func firstEmpty(name string, v reflect.Value) string {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				if empty := firstEmpty(name+"."+v.Type().Field(i).Name, v.Field(i)); empty != "" {
					return empty
				}
			}
		}
		return ""
	case reflect.Slice:
		if v.Len() == 0 {
			return name
		}
		return firstEmpty(name+"[0]", v.Index(0))
	}
	if v.IsZero() {
		return name
	}
	return ""
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{PublicURL: "http://portal.example.test"}); err == nil {
		t.Error("a portal without a service is made")
	}
	for _, url := range []string{"", "portal.example.test", "ftp://portal.example.test", "http://", "https:///x"} {
		_, err := New(Config{Service: &manager.Service{}, PublicURL: url, Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "the public URL must be like") {
			t.Errorf("the public URL %q: %v", url, err)
		}
	}
}
