package manager

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxOpenAPIJSON bounds an OpenAPI document once its YAML aliases are written out.
const maxOpenAPIJSON = 3 * maxOpenAPIBytes

// readOpenAPITree reads an OpenAPI document, JSON or YAML, into nodes. The
// library that checks it is given JSON made from them, which has no aliases: a
// few lines of YAML with aliases of aliases would keep it busy for hours.
func readOpenAPITree(text string, p *problems) *node {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		if n, err := readJSON([]byte(text)); err == nil {
			return n
		}
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		p.addf(0, "spec.openapi", "is neither YAML nor JSON: %s; correct the document", openAPIMessage(err))
		return nil
	}
	t := treeReader{problems: p, shared: map[*yaml.Node]*node{}}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		p.add(0, "spec.openapi", "is empty; give an OpenAPI document")
		return nil
	}
	before := len(p.fields)
	root := t.value(document.Content[0], 1)
	if len(p.fields) > before {
		return nil
	}
	return root
}

// treeReader turns the nodes of yaml/v4 into ours. Aliases share the node of their anchor.
type treeReader struct {
	problems *problems
	shared   map[*yaml.Node]*node // of anchors; nil while one is being read
}

func (t *treeReader) value(from *yaml.Node, depth int) *node {
	n := &node{line: from.Line}
	if depth > maxDocumentDepth {
		return t.wrong(n, "is nested deeper than %d; flatten it", maxDocumentDepth)
	}
	if from.Kind == yaml.AliasNode {
		return t.alias(from, n, depth)
	}
	if from.Anchor != "" {
		t.shared[from] = nil
		defer func() { t.shared[from] = n }()
	}
	switch from.Kind {
	case yaml.MappingNode:
		t.mapping(n, from.Content, depth)
	case yaml.SequenceNode:
		n.kind = sequenceNode
		for _, item := range from.Content {
			n.items = append(n.items, t.value(item, depth+1))
		}
	default:
		t.scalar(n, from)
	}
	return n
}

// alias reads what an alias names. An anchor stands before its aliases, so it
// has been read, unless it holds the alias itself.
func (t *treeReader) alias(from *yaml.Node, n *node, depth int) *node {
	target, known := t.shared[from.Alias]
	switch {
	case target != nil && target.depth()+depth > maxDocumentDepth:
		return t.wrong(n, "is nested deeper than %d; flatten it", maxDocumentDepth)
	case target != nil:
		return target
	case known:
		return t.wrong(n, "the alias *%s is inside what it names; write it out", from.Value)
	}
	return t.wrong(n, "the alias *%s names no anchor before it; define it first", from.Value)
}

// treeMapping is a mapping that is being read.
type treeMapping struct {
	*node
	at map[string]int // key → its place in names
}

func (t *treeReader) mapping(n *node, content []*yaml.Node, depth int) {
	n.kind = mappingNode
	m := treeMapping{node: n, at: make(map[string]int, len(content)/2)}
	for i := 0; i+1 < len(content); i += 2 {
		key, value := content[i], t.value(content[i+1], depth+1)
		switch {
		case key.Kind != yaml.ScalarNode:
			t.wrong(&node{line: key.Line}, "has a key that is no text; write it as one word or in quotes")
		case key.ShortTag() == "!!merge":
			t.merge(&m, value)
		default:
			t.entry(&m, key, value)
		}
	}
}

func (t *treeReader) entry(m *treeMapping, key *yaml.Node, value *node) {
	i, there := m.at[key.Value]
	switch {
	case !there:
		m.at[key.Value] = len(m.names)
		m.names = append(m.names, nodeKey{text: key.Value, line: key.Line})
		m.items = append(m.items, value)
	case m.names[i].line == 0: // it came from a merge
		m.names[i].line, m.items[i] = key.Line, value
	default:
		t.wrong(&node{line: key.Line}, "%q stands twice, first in line %d; keep one", shortened(key.Value), m.names[i].line)
	}
}

// merge takes over the keys of another mapping, or of several, that m has not.
func (t *treeReader) merge(m *treeMapping, from *node) {
	switch from.kind {
	case sequenceNode:
		for _, item := range from.items {
			if item.kind == mappingNode {
				t.merge(m, item)
			}
		}
	case mappingNode:
		for i, key := range from.names {
			if _, there := m.at[key.text]; !there {
				m.at[key.text] = len(m.names)
				m.names = append(m.names, nodeKey{text: key.text})
				m.items = append(m.items, from.items[i])
			}
		}
	default:
		t.wrong(&node{line: from.line}, "a merge key (<<) takes a mapping; give it one")
	}
}

func (t *treeReader) scalar(n *node, from *yaml.Node) {
	n.text = from.Value
	switch from.ShortTag() {
	case "!!null":
		n.kind = nullNode
	case "!!bool":
		n.kind, n.text = boolNode, strings.ToLower(from.Value)
	case "!!int", "!!float":
		n.kind = numberKind(from.Value)
	default:
		n.kind = stringNode
	}
}

func (t *treeReader) wrong(n *node, format string, args ...any) *node {
	n.kind = wrongNode
	t.problems.addf(0, "spec.openapi", "line %d: %s", n.line, fmt.Sprintf(format, args...))
	return n
}

// depth is how deep n is nested, n included.
func (n *node) depth() int {
	if n.deep == 0 {
		n.deep = 1
		for _, item := range n.items {
			n.deep = max(n.deep, 1+item.depth())
		}
	}
	return n.deep
}
