package manager

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Document is one resource of a file.
type Document struct {
	File     string
	Line     int // of the document's first line of content, from 1
	Resource Resource

	lines map[string]int // path of a field → its line
}

// ReadDocuments reads the YAML or JSON documents of a file. Unknown and
// repeated fields, wrong types and everything else that makes a document
// unreadable come back as one *Error with all of them, each with its line; what
// the values mean is checked by Validate and Apply.
//
// open resolves the path in a product's openapi, beside the file or below, and
// is asked for no other; where it is nil, the OpenAPI document must stand inline.
func ReadDocuments(file string, data []byte, open func(path string) ([]byte, error)) ([]Document, error) {
	p := problems{file: file}
	var documents []Document
	switch {
	case len(data) > maxFileBytes:
		p.addf(0, "", "the file has more than %d MB; split it", maxFileBytes>>20)
	case !utf8.Valid(data):
		p.add(0, "", "the file is not UTF-8; save it as UTF-8")
	default:
		documents = readDocuments(file, string(data), open, &p)
	}
	sortFields(p.fields)
	if err := p.err(file); err != nil {
		return nil, err
	}
	return documents, nil
}

func readDocuments(file, text string, open func(string) ([]byte, error), p *problems) []Document {
	var documents []Document
	first := map[Ref]int{}
	for _, y := range readYAML(strings.TrimPrefix(text, "\ufeff"), p) {
		d := Document{File: file, Line: y.line, lines: map[string]int{}}
		d.Resource = readDocument(y.root, &decoder{problems: p, lines: d.lines})
		if d.Resource == nil {
			continue
		}
		if product, ok := d.Resource.(*Product); ok {
			resolveOpenAPI(product, d.lines["spec.openapi"], open, p)
		}
		ref := d.Resource.Ref()
		if line, twice := first[ref]; twice {
			p.addf(d.Line, "metadata.name", "%s stands twice, first in line %d; keep one", ref, line)
			continue
		}
		first[ref] = d.Line
		documents = append(documents, d)
	}
	return documents
}

// readDocument decodes one document; it returns nil where its kind is unknown.
func readDocument(n *node, d *decoder) Resource {
	if !d.is(n, mappingNode, "") {
		return nil
	}
	if version := n.get("apiVersion"); version == nil {
		d.addf(n.line, "apiVersion", "missing; add apiVersion: %s", APIVersion)
	} else if version.text != APIVersion {
		d.addf(version.line, "apiVersion", "%q is not known; write %s", version.text, APIVersion)
	}
	kind := n.get("kind")
	if kind == nil {
		d.addf(n.line, "kind", "missing; add one of %s", kindList())
		return nil
	}
	r := newResource(Kind(kind.text))
	if r == nil {
		d.addf(kind.line, "kind", "%q is no kind; write one of %s", kind.text, kindList())
		return nil
	}
	if n.get("metadata") == nil {
		d.addf(n.line, "metadata", "missing; add metadata: {name: …}")
	}
	d.resource(n, r)
	return r
}

// resource decodes metadata and spec of n into r.
func (d *decoder) resource(n *node, r Resource) {
	d.raw = map[string]int{"spec.openapi": maxOpenAPIBytes}
	d.duplicates(n, "")
	v := reflect.ValueOf(r).Elem()
	for i, key := range n.names {
		switch key.text {
		case "apiVersion", "kind":
		case "metadata":
			d.value(n.items[i], v.FieldByName("Metadata"), "metadata")
		case "spec":
			d.value(n.items[i], v.FieldByName("Spec"), "spec")
		default:
			d.add(key.line, key.text, unknownField(key.text, []string{"apiVersion", "kind", "metadata", "spec"}))
		}
	}
	m := r.Meta()
	*m = Metadata{Name: m.Name, Partner: m.Partner} // the rest is the manager's to write
}

// ReadResource reads one JSON body of the admin API: {apiVersion, kind,
// metadata, spec}, of which all but spec may be absent. An Error whose Reason
// is ReasonMalformed is about bytes that are no such JSON at all. The body's
// name and partner are for the caller to compare with the URL's.
func ReadResource(kind Kind, data []byte) (Resource, error) {
	r := newResource(kind)
	if r == nil {
		return nil, &Error{Code: CodeNotFound, Message: fmt.Sprintf("%q is no kind; the kinds are %s", kind, kindList())}
	}
	n, err := readJSON(data)
	if err != nil {
		return nil, err
	}
	var p problems
	d := decoder{problems: &p}
	if d.is(n, mappingNode, "") {
		d.head(n, kind)
		d.resource(n, r)
	}
	if err := p.err("the " + string(kind) + " in the body is not valid"); err != nil {
		return nil, err
	}
	return r, nil
}

// head checks apiVersion and kind where they are present, and that spec is.
func (d *decoder) head(n *node, kind Kind) {
	if v := n.get("apiVersion"); v != nil && v.text != APIVersion {
		d.addf(v.line, "apiVersion", "%q is not known; write %s", v.text, APIVersion)
	}
	if v := n.get("kind"); v != nil && v.text != string(kind) {
		d.addf(v.line, "kind", "%q is not what this address takes; write %s", v.text, kind)
	}
	if n.get("spec") == nil {
		d.add(n.line, "spec", "missing; add it, {} where there is nothing to say")
	}
}

// resolveOpenAPI replaces the path in a product's openapi by the document.
func resolveOpenAPI(product *Product, line int, open func(string) ([]byte, error), p *problems) {
	path := product.Spec.OpenAPI
	if path == "" || !isOpenAPIPath(path) {
		return
	}
	if open == nil {
		p.addf(line, "spec.openapi", "%q is a path, which cannot be followed here; put the document inline", path)
		return
	}
	if !filepath.IsLocal(filepath.FromSlash(path)) {
		p.addf(line, "spec.openapi", "%q leads out of this file's folder; put the document beside this file, or in a folder below", path)
		return
	}
	data, err := open(path)
	switch {
	case err != nil:
		p.addf(line, "spec.openapi", "cannot read the document: %v; give a path beside this file", err)
	case len(data) > maxOpenAPIBytes:
		p.addf(line, "spec.openapi", "%s has more than %d MB; make it smaller", path, maxOpenAPIBytes>>20)
	case !utf8.Valid(data):
		p.addf(line, "spec.openapi", "%s is not UTF-8; save it as UTF-8", path)
	default:
		product.Spec.OpenAPI = string(data)
	}
}

// isOpenAPIPath tells a path from a document: a document has more than one line, or is JSON.
func isOpenAPIPath(s string) bool {
	return !strings.Contains(s, "\n") && !strings.HasPrefix(strings.TrimSpace(s), "{")
}

// Locate gives the fields of an error of Validate or Apply the file and line
// of the document that they are about.
func Locate(err error, documents []Document) error {
	var e *Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	byName := make(map[string]*Document, len(documents))
	for i := range documents {
		byName[documents[i].Resource.Ref().String()] = &documents[i]
	}
	located := *e
	located.Fields = make([]Field, len(e.Fields))
	for i, f := range e.Fields {
		if d := byName[f.Resource]; d != nil && f.File == "" {
			f.File, f.Line = d.File, d.lineOf(f.Path)
		}
		located.Fields[i] = f
	}
	sortFields(located.Fields)
	return &located
}

// lineOf is the line of a field, or of the nearest one around it.
func (d *Document) lineOf(path string) int {
	for path != "" {
		if line := d.lines[path]; line > 0 {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return d.Line
}

// MarshalResource writes r as JSON {apiVersion, kind, metadata, spec}, as the
// API answers it. A credential's digest is left out.
func MarshalResource(r Resource) ([]byte, error) {
	return json.Marshal(struct {
		APIVersion string    `json:"apiVersion"`
		Kind       Kind      `json:"kind"`
		Metadata   *Metadata `json:"metadata"`
		Spec       any       `json:"spec"`
	}{APIVersion, r.Ref().Kind, r.Meta(), specOf(r)})
}

// specOf is what a document has under spec.
func specOf(r Resource) any {
	if c, ok := r.(*Credential); ok {
		return credentialSpec(c)
	}
	return reflect.ValueOf(r).Elem().FieldByName("Spec").Interface()
}

// indentJSON spreads JSON over lines, for people and for line-wise comparison.
func indentJSON(data []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return string(data)
	}
	b.WriteByte('\n')
	return b.String()
}
