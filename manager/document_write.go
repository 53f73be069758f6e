package manager

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml"
)

// WriteDocument writes r as YAML, as ReadDocuments reads it, without what the
// manager writes itself. A credential has no document.
func WriteDocument(r Resource) ([]byte, error) {
	kind := r.Ref().Kind
	if newResource(kind) == nil {
		return nil, fmt.Errorf("a %s has no document form", kind)
	}
	head := documentHead{Name: r.Meta().Name, Partner: r.Meta().Partner}
	document := writtenDocument{APIVersion: APIVersion, Kind: kind, Metadata: head, Spec: specOf(r)}
	data, err := yaml.MarshalWithOptions(document, yaml.UseLiteralStyleIfMultiline(true), yaml.IndentSequence(true))
	if err == nil && readsAs(data, r) {
		return data, nil
	}
	// Some texts come out of YAML otherwise than they went in, such as those
	// whose first line begins with a blank. JSON, which is YAML too, has none.
	data, err = json.MarshalIndent(document, "", "  ")
	return append(data, '\n'), err
}

type writtenDocument struct {
	APIVersion string       `json:"apiVersion" yaml:"apiVersion"`
	Kind       Kind         `json:"kind" yaml:"kind"`
	Metadata   documentHead `json:"metadata" yaml:"metadata"`
	Spec       any          `json:"spec" yaml:"spec"`
}

type documentHead struct {
	Name    string `json:"name" yaml:"name"`
	Partner string `json:"partner,omitempty" yaml:"partner,omitempty"`
}

// readsAs tells whether data is read as r again.
func readsAs(data []byte, r Resource) bool {
	documents, err := ReadDocuments("", data, nil)
	return err == nil && len(documents) == 1 &&
		documents[0].Resource.Ref() == r.Ref() &&
		reflect.DeepEqual(specForComparison(documents[0].Resource), specForComparison(r))
}
