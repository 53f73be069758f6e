package manager

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// Bounds of what is read from people, so that no input costs more than its size.
const (
	maxDocumentDepth = 100      // nested mappings and lists
	maxDocumentBytes = 8 << 20  // one document of a file, or one body of the admin API
	maxFileBytes     = 64 << 20 // one file of documents
	maxProblems      = 1000     // reported at once
)

// nodeKind is what sort of value a node is.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	integerNode
	numberNode
	stringNode
	sequenceNode
	mappingNode
	wrongNode // a problem that is reported already
)

// String names the kind as the author of a document would.
func (k nodeKind) String() string {
	return [...]string{"nothing", "true or false", "a whole number", "a number", "text", "a list", "a mapping", "nothing"}[k]
}

// node is one value of a YAML or JSON document with its place. Nodes form a
// tree, but for YAML aliases, which share the node of their anchor.
type node struct {
	kind  nodeKind
	text  string // of a scalar
	line  int    // from 1; 0 where unknown
	names []nodeKey
	items []*node // of a list; of a mapping, beside names
	deep  int     // what depth found
}

// nodeKey is one key of a mapping.
type nodeKey struct {
	text string
	line int
}

// get returns the value under key, nil where there is none.
func (n *node) get(key string) *node {
	for i := range n.names {
		if n.names[i].text == key {
			return n.items[i]
		}
	}
	return nil
}

// appendJSON writes n as JSON, keys in their order; it stops with an error
// beyond limit bytes, since aliases can multiply what they name.
func (n *node) appendJSON(b []byte, limit int) ([]byte, error) {
	if len(b) > limit {
		return nil, fmt.Errorf("has more than %d MB", limit>>20)
	}
	switch n.kind {
	case nullNode, wrongNode:
		return append(b, "null"...), nil
	case boolNode:
		return append(b, n.text...), nil
	case integerNode, numberNode:
		if json.Valid([]byte(n.text)) {
			return append(b, n.text...), nil
		}
		return appendJSONString(b, n.text), nil // .inf, 0x1F: numbers to YAML alone
	case stringNode:
		return appendJSONString(b, n.text), nil
	case sequenceNode:
		return n.appendItems(b, '[', ']', limit)
	default:
		return n.appendItems(b, '{', '}', limit)
	}
}

func (n *node) appendItems(b []byte, open, end byte, limit int) ([]byte, error) {
	b = append(b, open)
	for i, item := range n.items {
		if i > 0 {
			b = append(b, ',')
		}
		if n.kind == mappingNode {
			b = append(appendJSONString(b, n.names[i].text), ':')
		}
		var err error
		if b, err = item.appendJSON(b, limit); err != nil {
			return nil, err
		}
	}
	return append(b, end), nil
}

func appendJSONString(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always can be marshalled
	return append(b, quoted...)
}

// problems collects wrong fields. The zero value is ready.
type problems struct {
	file     string
	resource string // of the fields that are added now
	reason   string // of the error, where one is promised
	fields   []Field
	more     int // not kept any more
}

// add notes one wrong field; message says what is wrong and the remedy.
func (p *problems) add(line int, path, message string) {
	if len(p.fields) == maxProblems {
		p.more++
		return
	}
	p.fields = append(p.fields, Field{File: p.file, Line: line, Resource: p.resource, Path: path, Message: message})
}

// addf is add with a format.
func (p *problems) addf(line int, path, format string, args ...any) {
	p.add(line, path, fmt.Sprintf(format, args...))
}

// sortFields puts fields in the order of their places; those without a place come last.
func sortFields(fields []Field) {
	slices.SortStableFunc(fields, func(a, b Field) int {
		if (a.File == "") != (b.File == "") {
			return cmp.Compare(len(b.File), len(a.File))
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// err is nil where nothing was wrong, else an *Error of CodeInvalid with all fields.
func (p *problems) err(what string) error {
	if len(p.fields) == 0 {
		return nil
	}
	count := "1 problem"
	if n := len(p.fields) + p.more; n > 1 {
		count = strconv.Itoa(n) + " problems"
	}
	message := fmt.Sprintf("%s: %s", what, count)
	if p.more > 0 {
		message += fmt.Sprintf(", of which the first %d follow", maxProblems)
	}
	return &Error{Code: CodeInvalid, Reason: p.reason, Message: message, Fields: p.fields}
}

// index appends [i] to a field's path, and field appends .name.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func field(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
