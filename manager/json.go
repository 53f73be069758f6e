package manager

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// ReasonMalformed is the Reason of an Error about input that cannot be read at
// all, where another document of the same size could be: 400, not 422.
const ReasonMalformed = "malformed"

// malformed is the error of input that is no document.
func malformed(format string, args ...any) error {
	return &Error{Code: CodeInvalid, Reason: ReasonMalformed, Message: fmt.Sprintf(format, args...)}
}

// readJSON reads exactly one JSON value. Duplicate keys are kept: the decoder reports them.
func readJSON(data []byte) (*node, error) {
	if len(data) > maxDocumentBytes {
		return nil, malformed("the body has more than %d MB; send less", maxDocumentBytes>>20)
	}
	if !utf8.Valid(data) {
		return nil, malformed("the body is not UTF-8; send JSON in UTF-8")
	}
	r := jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.decoder.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return nil, r.explain(err)
	}
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("line %d: there is more after the JSON value; send one value", r.here())
	}
	return n, nil
}

// jsonReader builds nodes from tokens.
type jsonReader struct {
	data    []byte
	decoder *json.Decoder
	counted int64 // bytes whose lines are in line
	line    int
}

// here is the line of the token read last.
func (r *jsonReader) here() int {
	offset := r.decoder.InputOffset()
	r.line += bytes.Count(r.data[r.counted:offset], []byte{'\n'})
	r.counted = offset
	return r.line
}

func (r *jsonReader) explain(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("the JSON ends too early; send the whole document")
	}
	return malformed("line %d: this is not JSON: %v", r.here(), err)
}

func (r *jsonReader) value(depth int) (*node, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	n := &node{line: r.here()}
	switch t := token.(type) {
	case json.Delim:
		return n, r.collection(n, t, depth+1)
	case string:
		n.kind, n.text = stringNode, t
	case json.Number:
		n.kind, n.text = numberKind(t.String()), t.String()
	case bool:
		n.kind, n.text = boolNode, fmt.Sprint(t)
	}
	return n, nil
}

func (r *jsonReader) collection(n *node, open json.Delim, depth int) error {
	if depth > maxDocumentDepth {
		return malformed("line %d: nested deeper than %d; flatten it", n.line, maxDocumentDepth)
	}
	n.kind = sequenceNode
	if open == '{' {
		n.kind = mappingNode
	}
	for r.decoder.More() {
		if n.kind == mappingNode {
			key, err := r.decoder.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string) // the decoder lets nothing else be a key
			n.names = append(n.names, nodeKey{text: name, line: r.here()})
		}
		item, err := r.value(depth)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.decoder.Token() // the closing bracket
	return err
}

// numberKind tells whole numbers from others by their spelling.
func numberKind(text string) nodeKind {
	for i := 0; i < len(text); i++ {
		if (text[i] < '0' || text[i] > '9') && (i > 0 || text[i] != '-') {
			return numberNode
		}
	}
	return integerNode
}
