package manager

// Document is one resource of a file.
type Document struct {
	File     string
	Line     int // of the document's first line of content, from 1
	Resource Resource
}

// ReadDocuments reads the YAML or JSON documents of a file.
func ReadDocuments(file string, data []byte, open func(path string) ([]byte, error)) ([]Document, error) {
	return nil, errUnbuilt()
}

// ReadResource reads one JSON body of the admin API.
func ReadResource(kind Kind, data []byte) (Resource, error) { return nil, errUnbuilt() }

// WriteDocument writes r as YAML, as ReadDocuments reads it.
func WriteDocument(r Resource) ([]byte, error) { return nil, errUnbuilt() }

// MarshalResource writes r as JSON {apiVersion, kind, metadata, spec}.
func MarshalResource(r Resource) ([]byte, error) { return nil, errUnbuilt() }
