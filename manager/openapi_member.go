package manager

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// OpenAPIUse says how a partner calls what an OpenAPI document describes.
type OpenAPIUse struct {
	Servers []OpenAPIServer // without the product's base path
	Errors  string          // URL of the pages about refusals, to which a code is appended
}

// OpenAPIServer is where a product is called.
type OpenAPIServer struct{ URL, Description string }

// OpenAPI is the product's document narrowed to the operations that the
// partner can call now, as indented JSON: with them what they refer to and no
// more, where and with what key they are called, and how the gateway refuses.
// Paths are the document's own; the base path is in the servers' URLs.
func (c *CatalogProduct) OpenAPI(use OpenAPIUse) ([]byte, error) {
	var p problems
	source := readOpenAPITree(c.Product.Spec.OpenAPI, &p)
	if err := p.err("the stored OpenAPI document of " + c.Product.Metadata.Name + " cannot be read"); err != nil {
		return nil, err
	}
	n := newNarrowing(source)
	narrowed := c.narrowed(n, use)
	if n.copied > maxCopied { // some of it is no copy
		return nil, fmt.Errorf("the narrowed OpenAPI document of %s has more than %d objects", c.Product.Metadata.Name, maxCopied)
	}
	text, err := narrowed.appendJSON(nil, 2*maxOpenAPIJSON)
	if err != nil {
		return nil, fmt.Errorf("the narrowed OpenAPI document of %s %w", c.Product.Metadata.Name, err)
	}
	var indented bytes.Buffer
	err = json.Indent(&indented, text, "", "  ")
	return append(indented.Bytes(), '\n'), err
}

// narrowed builds the document.
func (c *CatalogProduct) narrowed(n *narrowing, use OpenAPIUse) *node {
	wanted := make(map[string]*CatalogOperation, len(c.Operations))
	for i := range c.Operations {
		o := &c.Operations[i]
		wanted[o.Method+" "+o.Path] = o
		n.held[o.Operation] = true
	}
	w := memberDocument{narrowing: n, basePath: c.Product.Spec.BasePath, wanted: wanted, tags: map[string]bool{}}
	w.describeRefusals(use.Errors)
	paths := w.paths()
	for _, key := range names(wanted) { // what is not where documents usually have it
		w.outline(paths, wanted[key])
	}
	n.settle()
	w.describeKeys()
	to := &node{kind: mappingNode}
	w.copyHead(to, "openapi", "info", "jsonSchemaDialect", "externalDocs")
	to.add("servers", w.servers(use.Servers))
	if tags := w.usedTags(); len(tags.items) > 0 {
		to.add("tags", tags)
	}
	to.add("paths", paths)
	to.add("components", n.components)
	return to
}

// memberDocument is a document for a partner's members in the making.
type memberDocument struct {
	*narrowing
	basePath string
	wanted   map[string]*CatalogOperation // by method and whole path, until it is written
	tags     map[string]bool              // of what is written
	refused  []refusalStatus
	refusal  *node // the schema of the body of each
}

func (w *memberDocument) copyHead(to *node, keys ...string) {
	for _, key := range keys {
		if value := w.source.get(key); value != nil {
			to.add(key, w.object(infoObject, value))
		}
	}
}

func (w *memberDocument) servers(servers []OpenAPIServer) *node {
	to := &node{kind: sequenceNode}
	for _, s := range servers {
		to.items = append(to.items, objectNode("url", s.URL+w.basePath, "description", s.Description))
	}
	return to
}

// usedTags are the document's tags that its operations have.
func (w *memberDocument) usedTags() *node {
	to, from := &node{kind: sequenceNode}, w.source.get("tags")
	if from == nil {
		return to
	}
	for _, tag := range from.items {
		if name := tag.get("name"); name != nil && w.tags[name.text] {
			to.items = append(to.items, w.object(tagObject, tag))
		}
	}
	return to
}

// paths are the document's paths as far as their operations are wanted.
func (w *memberDocument) paths() *node {
	to, from := &node{kind: mappingNode}, w.source.mapping("paths")
	for i, path := range from.names {
		if w.copied > maxCopied {
			break
		}
		if item := w.pathItem(path.text, w.merged(from.items[i])); item != nil {
			to.add(path.text, item)
		}
	}
	return to
}

// merged is a path item with what it refers to: its own fields go before.
func (w *memberDocument) merged(item *node) *node {
	if item.get("$ref") == nil {
		return item
	}
	to := &node{kind: mappingNode}
	for _, from := range []*node{item, w.followed(item)} {
		for i, key := range from.names {
			if pathItemKeeps(key.text) && to.get(key.text) == nil {
				to.add(key.text, from.items[i])
			}
		}
	}
	return to
}

// pathItemKeeps tells whether something is made of a field of a path item.
func pathItemKeeps(field string) bool {
	_, known := openAPIFields[pathItemObject][field]
	return known || field == "summary" || field == "description"
}

// pathItem is nil where none of its operations is wanted; nothing that only the others refer to is copied.
func (w *memberDocument) pathItem(path string, from *node) *node {
	operations := objectNode()
	for i, key := range from.names {
		if openAPIFields[pathItemObject][key.text].of == operationObject && from.items[i].kind == mappingNode && w.take(strings.ToUpper(key.text), path) {
			operations.add(key.text, w.operation(from.items[i]))
		}
	}
	if len(operations.items) == 0 {
		return nil
	}
	to := objectNode()
	for i, key := range from.names {
		switch key.text {
		case "summary", "description":
			to.add(key.text, from.items[i])
		case "parameters":
			to.add(key.text, w.field(openAPIPart{of: parameterObject}, from.items[i]))
		}
	}
	to.names, to.items = append(to.names, operations.names...), append(to.items, operations.items...)
	return to
}

// take tells whether the operation at a place of the document is wanted, once.
func (w *memberDocument) take(method, path string) bool {
	key := method + " " + w.basePath + path
	wanted := w.wanted[key]
	delete(w.wanted, key)
	return wanted != nil
}

func (w *memberDocument) operation(from *node) *node {
	to := w.object(operationObject, w.withoutRefused(from))
	if tags := to.get("tags"); tags != nil {
		for _, tag := range tags.items {
			w.tags[tag.text] = true
		}
	}
	w.finish(to, from.mapping("responses"))
	return to
}

// outline writes an operation from what is known of it.
func (w *memberDocument) outline(paths *node, o *CatalogOperation) {
	path := strings.TrimPrefix(o.Path, w.basePath)
	to, parameters := objectNode(), &node{kind: sequenceNode}
	if o.Operation != o.Method+" "+path {
		to.add("operationId", textNode(o.Operation))
	}
	for segment := range strings.SplitSeq(path, "/") {
		if isParameter(segment) {
			parameters.items = append(parameters.items, objectNode("name", strings.Trim(segment, "{}"), "in", "path", "required", true, "schema", objectNode("type", "string")))
		}
	}
	to.add("parameters", parameters)
	w.finish(to, objectNode())
	item, method := paths.part(path), strings.ToLower(o.Method)
	if openAPIFields[pathItemObject][method].of != operationObject {
		item, method = item.part(otherMethods), o.Method
	}
	item.set(method, to)
}

// otherMethods is where a path item has methods that OpenAPI has no field for (3.2, section 4.9).
const otherMethods = "additionalOperations"

// objectNode is an object of keys, each with a text, true, or a node.
func objectNode(pairs ...any) *node {
	n := &node{kind: mappingNode}
	for pair := range slices.Chunk(pairs, 2) {
		key, _ := pair[0].(string)
		switch value := pair[1].(type) {
		case *node:
			n.add(key, value)
		case string:
			n.add(key, textNode(value))
		case bool:
			n.add(key, &node{kind: boolNode, text: fmt.Sprint(value)})
		}
	}
	return n
}
