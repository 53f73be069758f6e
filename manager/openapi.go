package manager

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/partnergate/partnergate/filters/policy"
)

// Bounds of a product's OpenAPI document.
const (
	maxOpenAPIBytes = 5 << 20
	maxOperations   = 10_000
	maxOperationID  = 256   // bytes
	maxTemplate     = 1_024 // bytes of a path template with its base path
	maxSegments     = 60    // of a path template; the filters look at no longer paths
)

// readOpenAPI reads the operations of an OpenAPI document, 3.0 or 3.1, in the
// document's order, and puts basePath in front of their paths. Servers are
// ignored. What is wrong goes to p under spec.openapi.
func readOpenAPI(text, basePath string, p *problems) []Operation {
	tree := openAPITree(text, p)
	if tree == nil {
		return nil
	}
	document := loadOpenAPI(tree, p)
	if document == nil {
		return nil
	}
	var operations []Operation
	read := parameterReader{}
	for _, at := range orderedOperations(document, tree) {
		o, problem := newOperation(at, basePath)
		if problem != "" {
			p.add(0, openAPIField(at), problem)
			continue
		}
		o.Parameters = read.parameters(at, o.Path)
		operations = append(operations, o)
	}
	unambiguous(operations, p)
	return operations
}

// openAPITree reads the document and bounds it.
func openAPITree(text string, p *problems) *node {
	switch {
	case text == "":
		p.add(0, "spec.openapi", "missing; give the OpenAPI document")
		return nil
	case len(text) > maxOpenAPIBytes:
		p.addf(0, "spec.openapi", "has more than %d MB; make it smaller", maxOpenAPIBytes>>20)
		return nil
	case isOpenAPIPath(text):
		p.add(0, "spec.openapi", "is not an OpenAPI document; give the document itself, a path works only in files")
		return nil
	}
	tree := readOpenAPITree(text, p)
	if tree == nil {
		return nil
	}
	if version := tree.get("openapi"); version == nil || !supportedOpenAPI(version.text) {
		p.add(0, "spec.openapi.openapi", "the version is missing or not supported; write openapi: 3.0.x or 3.1.x")
		return nil
	}
	count := 0
	for _, item := range tree.mapping("paths").items {
		count += len(item.names)
	}
	if count > maxOperations {
		p.addf(0, "spec.openapi", "has more than %d operations; split the product", maxOperations)
		return nil
	}
	return tree
}

// mapping returns the mapping under key, an empty one where there is none.
func (n *node) mapping(key string) *node {
	if m := n.get(key); m != nil && m.kind == mappingNode {
		return m
	}
	return &node{kind: mappingNode}
}

func supportedOpenAPI(version string) bool {
	return strings.HasPrefix(version, "3.0.") || strings.HasPrefix(version, "3.1.")
}

func loadOpenAPI(tree *node, p *problems) *openapi3.T {
	text, err := tree.appendJSON(nil, maxOpenAPIJSON)
	if err != nil {
		p.addf(0, "spec.openapi", "with its aliases written out it %v; make it smaller", err)
		return nil
	}
	if counted := (&copies{narrowing: newNarrowing(tree), sizes: map[*node]int{}}); counted.size(tree) > maxOpenAPIJSON {
		p.addf(0, "spec.openapi", "with what its references copy, such as path items and extensions, it has more than %d MB; refer to components instead", maxOpenAPIJSON>>20)
		return nil
	}
	loader := openapi3.NewLoader()
	loader.ReadFromURIFunc = func(_ *openapi3.Loader, location *url.URL) ([]byte, error) {
		return nil, fmt.Errorf("the reference to %q leaves the document; put what it names into the document", location)
	}
	document, err := loader.LoadFromData(text)
	if err != nil {
		p.addf(0, "spec.openapi", "cannot be read: %s; correct the document", openAPIMessage(err))
		return nil
	}
	return checkOpenAPI(document, p)
}

// checkOpenAPI checks what decides who may call what, and no more: loading has
// checked types and references, and how well the rest is written is for linters.
func checkOpenAPI(document *openapi3.T, p *problems) *openapi3.T {
	before := len(p.fields)
	if document.Info == nil {
		p.add(0, "spec.openapi.info", "missing; add info with title and version")
	}
	if document.Paths == nil {
		p.add(0, "spec.openapi.paths", "missing; add the paths that the product offers")
	}
	for _, path := range names(document.Paths.Map()) {
		switch {
		case !strings.HasPrefix(path, "/"):
			p.addf(0, "spec.openapi.paths["+shortened(path)+"]", "does not begin with a slash; write /%s", shortened(path))
		case document.Paths.Value(path) == nil:
			p.add(0, "spec.openapi.paths["+shortened(path)+"]", "has no value; give it operations or leave it out")
		}
	}
	if len(p.fields) > before {
		return nil
	}
	return document
}

// openAPIMessage is what the library says, in one line of bounded length.
func openAPIMessage(err error) string {
	const most = 400
	message := strings.Join(strings.Fields(err.Error()), " ")
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "…"
	}
	return message
}

// operationAt is an operation with its place in the document.
type operationAt struct {
	method, path string
	item         *openapi3.PathItem
	operation    *openapi3.Operation
}

// orderedOperations lists the operations in the order of the document. Those
// of a path item that stands elsewhere come in the order of their methods.
func orderedOperations(document *openapi3.T, tree *node) []operationAt {
	var all []operationAt
	paths := tree.mapping("paths")
	for i, key := range paths.names {
		item := document.Paths.Value(key.text)
		if item == nil {
			continue // an extension
		}
		operations := item.Operations()
		for _, method := range methodOrder(paths.items[i], operations) {
			all = append(all, operationAt{method: method, path: key.text, item: item, operation: operations[method]})
		}
	}
	return all
}

// methodOrder is the methods of operations, those of n first.
func methodOrder(n *node, operations map[string]*openapi3.Operation) []string {
	var order []string
	for _, key := range n.names {
		if method := strings.ToUpper(key.text); operations[method] != nil && !slices.Contains(order, method) {
			order = append(order, method)
		}
	}
	for _, method := range names(operations) {
		if !slices.Contains(order, method) {
			order = append(order, method)
		}
	}
	return order
}

func openAPIField(a operationAt) string {
	return "spec.openapi.paths[" + shortened(a.path) + "]." + strings.ToLower(a.method)
}

func newOperation(a operationAt, basePath string) (o Operation, problem string) {
	method := strings.ToUpper(a.method)
	o = Operation{
		ID: a.operation.OperationID, Method: method, Path: basePath + a.path,
		Summary: a.operation.Summary, Description: a.operation.Description,
		Tags: a.operation.Tags, Deprecated: a.operation.Deprecated,
	}
	if o.Summary == "" {
		o.Summary = a.item.Summary
	}
	if o.ID == "" {
		o.ID = method + " " + a.path // as the document has it: another base path renames nothing
	}
	if method == http.MethodTrace || method == http.MethodConnect {
		return o, method + " is never let through; leave the operation out"
	}
	if len(o.ID) > maxOperationID {
		return o, fmt.Sprintf("the operation id has more than %d characters; shorten it", maxOperationID)
	}
	if strings.ContainsFunc(o.ID, unicode.IsControl) {
		return o, "the operation id has control characters; leave them out"
	}
	return o, templateProblem(o.Path)
}

// templateProblem says what is wrong with a path template, "" where nothing is.
func templateProblem(template string) string {
	if len(template) > maxTemplate {
		return fmt.Sprintf("the path has more than %d bytes; shorten it", maxTemplate)
	}
	literal := make([]byte, 0, len(template)) // with a stand-in for each parameter
	for i, segment := range strings.Split(template, "/") {
		if i > 0 {
			literal = append(literal, '/')
		}
		switch {
		case isParameter(segment):
			literal = append(literal, 'x')
		case strings.ContainsAny(segment, "{}"):
			return fmt.Sprintf("the segment %q mixes text and a parameter; make it a literal or one whole parameter", segment)
		default:
			literal = append(literal, segment...)
		}
	}
	canonical, ok := policy.CanonicalPath(string(literal), nil)
	switch {
	case !ok:
		return fmt.Sprintf("the path %q could be read in two ways, so requests for it are refused; write it without empty or dot segments and odd escapes", template)
	case string(canonical) != string(literal):
		return fmt.Sprintf("the path %q is not in canonical form; decode the escapes of letters, digits, -, ., _ and ~, write the others in upper case, and leave out a query", template)
	}
	return ""
}

func isParameter(segment string) bool {
	return len(segment) > 2 && segment[0] == '{' && segment[len(segment)-1] == '}' &&
		!strings.ContainsAny(segment[1:len(segment)-1], "{}")
}

// templateIdentity is a template without its parameters' names, which tell nothing apart.
func templateIdentity(template string) string {
	if !strings.Contains(template, "{") {
		return template
	}
	segments := strings.Split(template, "/")
	for i, segment := range segments {
		if isParameter(segment) {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// unambiguous reports operation ids and routes that stand twice.
func unambiguous(operations []Operation, p *problems) {
	ids := make(map[string]bool, len(operations))
	routes := make(map[string]string, len(operations))
	for _, o := range operations {
		if ids[o.ID] {
			p.addf(0, "spec.openapi", "the operation id %q stands twice; give each operation its own", o.ID)
		}
		ids[o.ID] = true
		route := o.Method + " " + templateIdentity(o.Path)
		if other, twice := routes[route]; twice {
			p.addf(0, "spec.openapi", "the operations %q and %q are both %s; keep one", other, o.ID, route)
			continue
		}
		routes[route] = o.ID
	}
}
