package manager

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxBlockColumn bounds nesting by indentation before the parser, which
// recurses, sees it.
const maxBlockColumn = 1000

// yamlDocument is the root of one document of a file.
type yamlDocument struct {
	line int // of the first content
	root *node
}

// readYAML reads all documents of a file. What cannot be read goes to p; the
// other documents are read nevertheless.
func readYAML(text string, p *problems) []yamlDocument {
	var documents []yamlDocument
	for _, chunk := range splitDocuments(text) {
		if len(chunk.text) > maxDocumentBytes {
			p.addf(chunk.line+1, "", "the document has more than %d MB; make it smaller", maxDocumentBytes>>20)
			continue
		}
		tokens := lexer.Tokenize(chunk.text)
		if line := tooDeep(tokens); line > 0 {
			p.addf(line+chunk.line, "", "nested deeper than %d; flatten it", maxDocumentDepth)
			continue
		}
		file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
		if err != nil {
			line, message := syntaxError(err)
			p.add(line+chunk.line, "", "this is not YAML: "+message)
			continue
		}
		for _, d := range file.Docs {
			if d.Body == nil || d.Body.Type() == ast.DirectiveType || d.Body.Type() == ast.CommentType {
				continue
			}
			r := yamlReader{problems: p, lines: chunk.line, anchors: map[string]*node{}}
			documents = append(documents, yamlDocument{root: r.value(d.Body, 1), line: r.line(d.Body.GetToken())})
		}
	}
	return documents
}

// chunk is a part of a file that holds whole documents.
type chunk struct {
	text string
	line int // lines before it
}

// splitDocuments cuts a file before each line that begins with "---": such a
// line begins a document wherever it stands (YAML 1.2.2, 9.1.2), so that a
// mistake in one document hides nothing in the next.
func splitDocuments(text string) []chunk {
	var chunks []chunk
	start, startLine, line := 0, 0, 0
	for at := 0; at < len(text); line++ {
		if documentStart(text[at:]) && !onlyDirectives(text[start:at]) {
			chunks = append(chunks, chunk{text: text[start:at], line: startLine})
			start, startLine = at, line
		}
		next := strings.IndexByte(text[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return append(chunks, chunk{text: text[start:], line: startLine})
}

// onlyDirectives tells whether text holds no content of its own: directives
// belong to the document whose start follows them.
func onlyDirectives(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '%' && line[0] != '#' {
			return false
		}
	}
	return true
}

func documentStart(rest string) bool {
	return strings.HasPrefix(rest, "---") && (len(rest) == 3 || strings.IndexByte(" \t\r\n", rest[3]) >= 0)
}

// tooDeep returns the line at which nesting passes the bound, 0 where none does.
func tooDeep(tokens token.Tokens) int {
	flow := 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Column > maxBlockColumn {
				return t.Position.Line
			}
		case token.MappingValueType:
			if flow == 0 && t.Prev != nil && t.Prev.Position.Column > maxBlockColumn {
				return t.Position.Line
			}
		}
		if flow > maxDocumentDepth {
			return t.Position.Line
		}
	}
	return 0
}

func syntaxError(err error) (line int, message string) {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		if syntax.Token != nil && syntax.Token.Position != nil {
			line = syntax.Token.Position.Line
		}
		return line, syntax.Message
	}
	return 1, firstLine(err.Error())
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// yamlReader turns the nodes of goccy/go-yaml into ours.
type yamlReader struct {
	problems *problems
	lines    int // before the chunk
	anchors  map[string]*node
}

func (r *yamlReader) line(t *token.Token) int {
	if t == nil || t.Position == nil {
		return r.lines + 1
	}
	return r.lines + t.Position.Line
}

func (r *yamlReader) value(from ast.Node, depth int) *node {
	if from == nil {
		return &node{line: r.lines + 1}
	}
	n := &node{line: r.line(from.GetToken())}
	if depth > maxDocumentDepth {
		return r.wrong(n, "nested deeper than %d; flatten it", maxDocumentDepth)
	}
	switch v := from.(type) {
	case *ast.MappingNode:
		n.kind = mappingNode
		for _, entry := range v.Values {
			r.entry(n, entry, depth)
		}
	case *ast.MappingValueNode:
		n.kind = mappingNode
		r.entry(n, v, depth)
	case *ast.SequenceNode:
		n.kind = sequenceNode
		for _, item := range v.Values {
			n.items = append(n.items, r.value(item, depth+1))
		}
	case *ast.AnchorNode:
		n = r.value(v.Value, depth)
		r.anchors[v.Name.GetToken().Value] = n // afterwards: an anchor cannot hold itself
	case *ast.AliasNode:
		return r.alias(v, n)
	case *ast.TagNode:
		return r.wrong(n, "the tag %s is not supported; leave it out", v.Start.Value)
	default:
		r.scalar(n, from)
	}
	return n
}

func (r *yamlReader) alias(v *ast.AliasNode, n *node) *node {
	name := v.Value.GetToken().Value
	if known := r.anchors[name]; known != nil {
		return known
	}
	return r.wrong(n, "the alias *%s names no anchor before it; define &%s first", name, name)
}

// wrong reports n, and marks it so that nothing more is said about it.
func (r *yamlReader) wrong(n *node, format string, args ...any) *node {
	n.kind = wrongNode
	r.problems.addf(n.line, "", format, args...)
	return n
}

func (r *yamlReader) entry(n *node, entry *ast.MappingValueNode, depth int) {
	key := entry.Key.GetToken()
	line := r.line(key)
	if entry.Key.IsMergeKey() {
		r.problems.add(line, "", "merge keys (<<) are not supported; write the fields out")
		return
	}
	name, ok := keyText(entry.Key)
	if !ok {
		r.problems.add(line, "", "a key must be plain text; write it as one word or in quotes")
		return
	}
	value := r.value(entry.Value, depth+1)
	if entry.Value == nil || value.kind == nullNode {
		value.line = line
	}
	n.names = append(n.names, nodeKey{text: name, line: line})
	n.items = append(n.items, value)
}

// keyText is the text of a key. A number as key, such as a status in an
// OpenAPI document, is the text that was written.
func keyText(key ast.MapKeyNode) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return k.GetToken().Value, true
	}
	return "", false
}

func (r *yamlReader) scalar(n *node, from ast.Node) {
	switch v := from.(type) {
	case *ast.StringNode:
		n.kind, n.text = stringNode, v.Value
	case *ast.LiteralNode:
		n.kind, n.text = stringNode, v.Value.Value
	case *ast.IntegerNode:
		n.kind, n.text = integerNode, fmt.Sprint(v.Value)
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = numberNode, from.GetToken().Value
	case *ast.BoolNode:
		n.kind, n.text = boolNode, fmt.Sprint(v.Value)
	case *ast.NullNode:
	default:
		r.wrong(n, "%s is not supported here; write a mapping, a list or a value", from.Type())
	}
}
