package edge

import (
	"strconv"
	"unicode/utf8"
)

// configError says which field of a configuration is wrong, and what to do.
type configError string

func (e configError) Error() string { return string(e) }

// jsonReader reads the little JSON that a configuration is: objects of texts
// and objects. It is strict: a field that nobody reads is an error, so is a
// second one of the same name. encoding/json is not used, for it reflects.
type jsonReader struct {
	text string
	at   int
}

// object reads an object and calls field for each of its fields, with the
// reader at the field's value, which field must read. in is the object's own
// path, such as "manager.", for errors.
func (r *jsonReader) object(in string, field func(name string) error) error {
	if !r.token('{') {
		return r.problem(in, "an object is expected here: {…}")
	}
	if r.token('}') {
		return nil
	}
	seen := map[string]bool{}
	for {
		name, err := r.string(in)
		switch {
		case err != nil:
			return err
		case seen[name]:
			return configError(in + name + " is there twice; keep one")
		case !r.token(':'):
			return r.problem(in+name, "a colon is expected after the name")
		}
		seen[name] = true
		if err := field(name); err != nil {
			return err
		}
		if r.token(',') {
			continue
		}
		if r.token('}') {
			return nil
		}
		return r.problem(in, "a comma or a closing brace is expected")
	}
}

// end checks that nothing follows.
func (r *jsonReader) end() error {
	r.space()
	if r.at < len(r.text) {
		return r.problem("", "something follows the closing brace; remove it")
	}
	return nil
}

// string reads a text; field is its name, for errors.
func (r *jsonReader) string(field string) (string, error) {
	if !r.token('"') {
		return "", r.problem(field, `a text in double quotes is expected: "…"`)
	}
	var b []byte
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			return string(b), nil
		case c < ' ':
			return "", r.problem(field, "a control character stands in a text; escape it")
		case c != '\\':
			b = append(b, c)
		default:
			escape, ok := r.escape()
			if !ok {
				return "", r.problem(field, "an escape in a text is not one of JSON's")
			}
			b = utf8.AppendRune(b, escape)
		}
	}
	return "", r.problem(field, "a text does not end; close it with a double quote")
}

// escape reads what follows a backslash.
func (r *jsonReader) escape() (rune, bool) {
	if r.at >= len(r.text) {
		return 0, false
	}
	c := r.text[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'n':
		return '\n', true
	case 't':
		return '\t', true
	case 'r':
		return '\r', true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'u':
		return r.unicode()
	}
	return 0, false
}

func (r *jsonReader) unicode() (rune, bool) {
	if r.at+4 > len(r.text) {
		return 0, false
	}
	v, err := strconv.ParseUint(r.text[r.at:r.at+4], 16, 16)
	r.at += 4
	return rune(v), err == nil && (v < 0xd800 || v > 0xdfff) // names and tokens need no surrogates
}

func (r *jsonReader) token(c byte) bool {
	r.space()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *jsonReader) problem(field, what string) error {
	if field == "" {
		field = "the configuration"
	}
	return configError(field + ": " + what + " (character " + strconv.Itoa(r.at+1) + ")")
}
