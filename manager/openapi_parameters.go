package manager

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Bounds of what is kept of parameters, to be shown.
const (
	maxParameters = 200 // of an operation, beside those of its path
	maxValues     = 20  // of a parameter
)

// parameterReader reads each parameter once, however many operations share it.
type parameterReader map[*openapi3.Parameter]*Parameter

// parameters are the operation's own and those of its path, and the parameters
// of the template that the document says nothing of. Cookies are left out.
func (r parameterReader) parameters(a operationAt, template string) []*Parameter {
	var ofPath, others []*Parameter
	for segment := range strings.SplitSeq(template, "/") {
		if isParameter(segment) {
			ofPath = append(ofPath, &Parameter{Name: segment[1 : len(segment)-1], In: openapi3.ParameterInPath, Required: true})
		}
	}
	for _, declared := range a.declared() {
		switch declared.In {
		case openapi3.ParameterInPath:
			if at := slices.IndexFunc(ofPath, func(p *Parameter) bool { return p.Name == declared.Name }); at >= 0 {
				ofPath[at] = r.read(declared)
			}
		case openapi3.ParameterInQuery, openapi3.ParameterInHeader:
			others = append(others, r.read(declared))
		}
	}
	return append(ofPath, others...)
}

// declared are the parameters that the document has: an operation's own stand for those of its path.
func (a operationAt) declared() []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, list := range []openapi3.Parameters{a.operation.Parameters, a.item.Parameters} {
		for _, reference := range list {
			p := reference.Value
			known := func(other *openapi3.Parameter) bool { return other.Name == p.Name && other.In == p.In }
			if p != nil && len(all) < maxParameters && !slices.ContainsFunc(all, known) {
				all = append(all, p)
			}
		}
	}
	return all
}

func (r parameterReader) read(p *openapi3.Parameter) *Parameter {
	if r[p] != nil {
		return r[p]
	}
	is := &Parameter{Name: p.Name, In: p.In, Required: p.Required || p.In == openapi3.ParameterInPath, Description: p.Description}
	r[p] = is
	if p.Schema == nil || p.Schema.Value == nil {
		return is
	}
	schema := p.Schema.Value
	is.Type = strings.Join(schema.Type.Slice(), " or ")
	if schema.Format != "" {
		is.Type = strings.TrimSpace(is.Type + " (" + schema.Format + ")")
	}
	for _, value := range schema.Enum[:min(len(schema.Enum), maxValues)] {
		switch value := value.(type) {
		case string:
			is.Values = append(is.Values, value)
		case float64, bool:
			is.Values = append(is.Values, fmt.Sprint(value))
		}
	}
	return is
}
