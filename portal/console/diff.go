package console

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// diffLine is one field that a change has touched.
type diffLine struct {
	Path          string
	Before, After string
	Added         bool // there was none before
	Removed       bool // there is none after
}

// unsaid are fields that every change writes.
var unsaid = map[string]bool{"metadata.revision": true, "metadata.updated_at": true, "metadata.created_at": true, "apiVersion": true, "kind": true}

// difference compares two JSON documents field by field; either may be empty.
func difference(before, after []byte) []diffLine {
	was, is := fields(before), fields(after)
	paths := map[string]bool{}
	for path := range was {
		paths[path] = true
	}
	for path := range is {
		paths[path] = true
	}
	var lines []diffLine
	for path := range paths {
		b, there := was[path]
		a, stays := is[path]
		if !unsaid[path] && (b != a || there != stays) {
			lines = append(lines, diffLine{path, b, a, !there, !stays})
		}
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i].Path < lines[j].Path })
	return lines
}

// fields are the values of a document by their paths, such as spec.limits[0].name.
func fields(document []byte) map[string]string {
	all := map[string]string{}
	var value any
	if json.Unmarshal(document, &value) == nil { // an empty one has no fields
		flatten("", value, all)
	}
	return all
}

func flatten(path string, value any, into map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			flatten(strings.TrimPrefix(path+"."+name, "."), field, into)
		}
	case []any:
		for i, item := range value {
			flatten(fmt.Sprintf("%s[%d]", path, i), item, into)
		}
	case string:
		into[path] = value
	default:
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // it was just read
		}
		into[path] = string(text)
	}
}
