package manager

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// decoder fills Go values from nodes, strictly: unknown fields, duplicates,
// wrong types and fields without value are problems with their place.
type decoder struct {
	*problems
	lines map[string]int // path → line, for errors found later; nil: not wanted
	// raw names struct fields, by path, that also take a mapping, as its JSON.
	raw map[string]int
}

var timeType = reflect.TypeFor[time.Time]()

// value decodes n into v, which is settable.
func (d *decoder) value(n *node, v reflect.Value, path string) {
	if d.lines != nil {
		d.lines[path] = n.line
	}
	if n.kind == wrongNode {
		return
	}
	if n.kind == nullNode {
		d.add(n.line, path, "has no value; give it one or leave the field out")
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case v.Type() == timeType:
		d.time(n, v, path)
	default:
		d.byKind(n, v, path)
	}
}

func (d *decoder) byKind(n *node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.String:
		d.text(n, v, path)
	case reflect.Bool:
		if d.is(n, boolNode, path) {
			v.SetBool(n.text == "true")
		}
	case reflect.Int, reflect.Int64:
		d.integer(n, v, path)
	default:
		panic("manager: no resource field has the type " + v.Type().String())
	}
}

// is notes a problem where n is of another kind.
func (d *decoder) is(n *node, kind nodeKind, path string) bool {
	if n.kind == kind || n.kind == wrongNode {
		return n.kind == kind
	}
	d.addf(n.line, path, "must be %s, not %s", kind, n.kind)
	return false
}

func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if !d.is(n, mappingNode, path) {
		return
	}
	d.duplicates(n, path)
	fields := fieldsOf(v.Type())
	for i, key := range n.names {
		at, known := fields.index[key.text]
		if !known {
			d.add(key.line, field(path, key.text), unknownField(key.text, fields.names))
			continue
		}
		d.value(n.items[i], v.Field(at), field(path, key.text))
		if fallback := fields.defaults[at]; fallback != "" && n.items[i].isZero() {
			d.addf(n.items[i].line, field(path, key.text), "0 is out of range; give 1 or more, or leave the field out for %s", fallback)
		}
	}
}

// isZero tells whether a zero was written.
func (n *node) isZero() bool {
	i, err := strconv.ParseInt(n.text, 10, 64)
	return n.kind == integerNode && err == nil && i == 0
}

func (d *decoder) duplicates(n *node, path string) {
	first := make(map[string]int, len(n.names))
	for _, key := range n.names {
		if line, twice := first[key.text]; twice {
			d.addf(key.line, field(path, key.text), "stands twice, first in line %d; keep one", line)
			continue
		}
		first[key.text] = key.line
	}
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	if !d.is(n, mappingNode, path) {
		return
	}
	d.duplicates(n, path)
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.names)))
	for i, key := range n.names {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(n.items[i], element, field(path, key.text))
		v.SetMapIndex(reflect.ValueOf(key.text), element)
	}
}

// list decodes an empty list as empty, not nil: they mean different things.
func (d *decoder) list(n *node, v reflect.Value, path string) {
	if !d.is(n, sequenceNode, path) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(item, v.Index(i), index(path, i))
	}
}

func (d *decoder) text(n *node, v reflect.Value, path string) {
	limit, raw := d.raw[path]
	switch {
	case n.kind == mappingNode && raw:
		document, err := n.appendJSON(nil, limit)
		if err != nil {
			d.addf(n.line, path, "%v; make it smaller", err)
			return
		}
		v.SetString(indentJSON(document))
	case n.kind == stringNode:
		v.SetString(n.text)
	case n.kind < stringNode:
		d.addf(n.line, path, "must be text, not %s; put it in quotes", n.kind)
	default:
		d.is(n, stringNode, path)
	}
}

func (d *decoder) integer(n *node, v reflect.Value, path string) {
	if !d.is(n, integerNode, path) {
		return
	}
	i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
	if err != nil {
		d.addf(n.line, path, "%s is beyond what a number can be; give a smaller one", n.text)
		return
	}
	v.SetInt(i)
}

func (d *decoder) time(n *node, v reflect.Value, path string) {
	if !d.is(n, stringNode, path) {
		return
	}
	t, err := time.Parse(time.RFC3339, n.text)
	if err != nil {
		d.addf(n.line, path, "%q is no time; write it as 2026-01-31T00:00:00Z (RFC 3339)", n.text)
		return
	}
	v.Set(reflect.ValueOf(t.UTC()))
}

// structFields are the fields of a struct by their name in documents.
type structFields struct {
	names []string // in the order of the struct
	index map[string]int
	// defaults are of numbers whose zero means that they were left out, by index: a zero that was written would be taken for it.
	defaults map[int]string
}

func fieldsOf(t reflect.Type) structFields {
	f := structFields{index: make(map[string]int, t.NumField()), defaults: map[int]string{}}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		f.names = append(f.names, name)
		f.index[name] = i
		f.defaults[i] = t.Field(i).Tag.Get("default")
	}
	return f
}

func unknownField(name string, known []string) string {
	for _, k := range known {
		if strings.EqualFold(strings.NewReplacer("_", "", "-", "").Replace(name), k) || distance(name, k) <= 2 {
			return "unknown field; did you mean " + k + "?"
		}
	}
	return "unknown field; leave it out. Known here: " + strings.Join(known, ", ")
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
