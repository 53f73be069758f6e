package manager

import (
	"strconv"
	"strings"
)

// copies measures a document as the library has it: of a path item, and of
// what no field of OpenAPI leads to, such as an extension, it makes a copy for
// each reference. So a small document could fill all memory.
type copies struct {
	*narrowing
	sizes map[*node]int // of objects and lists; 0 while one is measured, since a circle is not copied again
}

// size is about how many bytes of JSON n has with those copies, or more than maxOpenAPIJSON.
func (c *copies) size(n *node) int {
	if n.kind != mappingNode && n.kind != sequenceNode {
		return len(n.text) + 1
	}
	if size, known := c.sizes[n]; known {
		return size
	}
	c.sizes[n] = 0
	size := len("{}")
	for i, item := range n.items {
		size += c.size(item)
		if n.kind == mappingNode {
			size += len(n.names[i].text) + c.copied(n.names[i].text, item)
		}
		if size > maxOpenAPIJSON {
			size = maxOpenAPIJSON + 1
			break
		}
	}
	c.sizes[n] = size
	return size
}

// copied is the size of what a field refers to, where that is copied.
func (c *copies) copied(key string, to *node) int {
	if key != "$ref" || to.kind != stringNode || !strings.HasPrefix(to.text, "#/") || isShared(pointerTokens(to.text)) {
		return 0
	}
	if target := c.find(to.text); target != nil {
		return c.size(target)
	}
	return 0
}

// isShared tells whether the library finds what stands there in its objects: then all who refer to it share it.
func isShared(tokens []string) bool {
	var kind openAPIObject
	switch {
	case len(tokens) > 2 && tokens[0] == "paths" && !isExtension(tokens[1]):
		kind, tokens = pathItemObject, tokens[2:]
	case len(tokens) > 2 && tokens[0] == "components" && tokens[1] != openAPISections[pathItemObject]:
		for of, section := range openAPISections {
			if section == tokens[1] {
				kind, tokens = of, tokens[3:]
				break
			}
		}
	}
	for len(tokens) > 0 && kind != "" {
		in, known := openAPIFields[kind][tokens[0]]
		if !known || kind == schemaObject && librarysUnknown[tokens[0]] {
			return false
		}
		kind, tokens = in.of, tokens[1:]
		if len(tokens) == 0 {
			break
		}
		if _, err := strconv.Atoi(tokens[0]); err == nil || in.keyed && (kind != responseObject || !isExtension(tokens[0])) { // a place in a list, or a name
			tokens = tokens[1:]
		}
	}
	return kind != "" && kind != pathItemObject
}

// librarysUnknown are the fields of a schema that the library has as it has extensions.
var librarysUnknown = map[string]bool{"definitions": true, "additionalItems": true}
