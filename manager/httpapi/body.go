package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// Limits of what a caller may send.
const (
	maxBody         = 1 << 20  // most bodies
	maxPolicy       = 6 << 20  // products, which hold an OpenAPI document, and apply
	maxPacked       = 16 << 20 // apply and imports of whole estates, with gzip
	maxEstate       = 64 << 20 // the same, spread out
	maxEdgeBody     = 16 << 20 // batches of proxies
	maxJSONDepth    = 100
	maxPasswordBody = 16 << 10 // no password comes near
	// maxDrained is how much of a body that is too large is still read, so
	// that the client gets to see the answer instead of a reset connection.
	maxDrained = 32 << 20
)

// readBody reads a body of at most limit bytes whose type is one of types.
// A missing Content-Type passes: what arrives is then read as types[0].
func readBody(c *gin.Context, limit int64, types ...string) (body []byte, contentType string, err error) {
	contentType, err = contentTypeOf(c.Request, types)
	if err != nil {
		return nil, "", err
	}
	body, err = io.ReadAll(io.LimitReader(c.Request.Body, limit+1))
	if err != nil {
		return nil, "", errBad("the body could not be read: %s", plainReadError(err))
	}
	if int64(len(body)) > limit {
		_, _ = io.CopyN(io.Discard, c.Request.Body, maxDrained) // see maxDrained
		return nil, "", errTooLarge(limit)
	}
	return body, contentType, nil
}

// readPolicy reads the body of a call that may bring a whole estate: as it is,
// of at most maxPolicy bytes, or compressed with gzip, which lets through more.
// One such body at a time is spread out and worked on: the others wait, with
// the bytes that were sent, until done is called.
func (a *api) readPolicy(c *gin.Context, types ...string) (body []byte, contentType string, done func(), err error) {
	limit := int64(maxPolicy)
	if encoding := c.GetHeader("Content-Encoding"); strings.EqualFold(encoding, "gzip") {
		limit = maxPacked
		allowTime(c)
	}
	body, contentType, err = readBody(c, limit, types...)
	if err != nil {
		return nil, "", nil, err
	}
	select {
	case a.estate <- struct{}{}:
		done = func() { <-a.estate }
	case <-c.Request.Context().Done():
		return nil, "", nil, errBad("the caller went away")
	}
	if body, err = decompress(c.GetHeader("Content-Encoding"), body); err != nil {
		done()
		return nil, "", nil, err
	}
	return body, contentType, done, nil
}

// estateTimeout is how long a call with a whole estate may take, from its body
// to its answer. Other calls have the server's timeouts.
const estateTimeout = 10 * time.Minute

func allowTime(c *gin.Context) {
	until := time.Now().Add(estateTimeout)
	response := http.NewResponseController(c.Writer)
	_ = response.SetReadDeadline(until) // a connection without deadlines needs none
	_ = response.SetWriteDeadline(until)
}

func decompress(encoding string, body []byte) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
		return body, nil
	case "gzip":
		return unzip(body)
	default:
		return nil, &requestError{http.StatusUnsupportedMediaType, "unsupported_media_type",
			fmt.Sprintf("the Content-Encoding is %q; send gzip, or none", encoding)}
	}
}

func unzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(r, maxEstate+1))
	}
	if err != nil {
		return nil, errBad("the body is not what gzip writes: %s", plainReadError(err))
	}
	if len(body) > maxEstate {
		return nil, errTooLarge(maxEstate)
	}
	return body, nil
}

func errTooLarge(limit int64) error {
	return &requestError{http.StatusRequestEntityTooLarge, "too_large",
		fmt.Sprintf("the body is larger than the %d bytes that are read here; send less at a time", limit)}
}

func plainReadError(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ended early"
	}
	return err.Error()
}

func contentTypeOf(r *http.Request, types []string) (string, error) {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return types[0], nil
	}
	media, _, err := mime.ParseMediaType(given)
	for _, t := range types {
		if err == nil && media == t {
			return t, nil
		}
	}
	return "", &requestError{http.StatusUnsupportedMediaType, "unsupported_media_type",
		fmt.Sprintf("the Content-Type is %q; send %s", given, strings.Join(types, " or "))}
}

// readJSON reads a JSON body that is well formed and not too deep.
func readJSON(c *gin.Context, limit int64) ([]byte, error) {
	body, _, err := readBody(c, limit, "application/json")
	if err != nil {
		return nil, err
	}
	return body, checkJSON(body)
}

// checkJSON bounds the depth before anything recursive sees the body.
func checkJSON(body []byte) error {
	if depth := jsonDepth(body); depth > maxJSONDepth {
		return errBad("the JSON is nested more than %d deep", maxJSONDepth)
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, new(json.RawMessage)); errors.As(err, &syntax) {
		return errBad("the body is not JSON: %s, at byte %d", syntax, syntax.Offset)
	} else if err != nil {
		return errBad("the body is not JSON: %s", err)
	}
	return nil
}

// jsonDepth is how deep brackets nest outside of strings.
func jsonDepth(body []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// decode reads a small JSON body into the struct that v points to: unknown
// fields and wrong types are 422, and an empty body leaves v as it is.
func decode(c *gin.Context, v any) error { return decodeWithin(c, maxBody, v) }

func decodeWithin(c *gin.Context, limit int64, v any) error {
	body, _, err := readBody(c, limit, "application/json")
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	return invalidJSON(strictDecoder(body).Decode(v), v)
}

func strictDecoder(body []byte) *json.Decoder {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d
}

func invalidJSON(err error, v any) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType):
		return errInvalid(wrongType.Field, "is a JSON %s; it must be a JSON %s", wrongType.Value, jsonKind(wrongType.Type))
	case strings.Contains(err.Error(), "unknown field "):
		_, field, _ := strings.Cut(err.Error(), "unknown field ")
		return errInvalid(strings.Trim(field, `"`), "is not known here; the fields are %s", strings.Join(fieldsOf(v), ", "))
	}
	return &manager.Error{Code: manager.CodeInvalid, Message: err.Error()}
}

// jsonKind is what JSON calls that from which a type is read.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array"
	case reflect.String, reflect.Bool:
		return t.Kind().String()
	}
	return "number"
}

// fieldsOf lists the JSON names of the struct that v points to.
func fieldsOf(v any) []string {
	t := reflect.TypeOf(v).Elem()
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
