package manager

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrorCode says what sort of error an Error is; httpapi turns it into a status in one place.
type ErrorCode string

// The codes.
const (
	CodeInvalid      ErrorCode = "invalid"      // the input is wrong: 422
	CodeNotFound     ErrorCode = "not_found"    // 404
	CodeConflict     ErrorCode = "conflict"     // others need it, or it exists already: 409
	CodeStale        ErrorCode = "stale"        // If-Match names an older revision: 412
	CodeUnauthorized ErrorCode = "unauthorized" // 401
	CodeForbidden    ErrorCode = "forbidden"    // 403
	CodeVersion      ErrorCode = "version"      // a proxy speaks a version that this manager does not: 501
	CodeTooMany      ErrorCode = "too_many"     // tried too often: 429
	CodeUnavailable  ErrorCode = "unavailable"  // the store is away: 503
)

// Error is an error that a person can act on.
type Error struct {
	cause error // for the log, which may say more than a caller should know; nil: none

	Code       ErrorCode
	Reason     string        // a short machine word where one is promised, such as "operation_overlap"; may be empty
	Message    string        // what is wrong, where, and the remedy
	Fields     []Field       // for CodeInvalid: each wrong field
	RetryAfter time.Duration // for CodeTooMany: when to try again
}

// Field is one wrong field of an input.
type Field struct {
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`     // from 1; 0 where unknown
	Resource string `json:"resource,omitempty"` // such as Subscription acme/payments-sandbox; empty where unknown
	Path     string `json:"field"`              // such as spec.limits[0].rate.per
	Message  string `json:"message"`
}

// Cause is what the log is to tell beside the error; nil for nothing.
func (e *Error) Cause() error { return e.cause }

// Error implements error.
func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	var b strings.Builder
	b.WriteString(e.Message)
	for _, f := range e.Fields {
		b.WriteString("\n  ")
		b.WriteString(f.String())
	}
	return b.String()
}

// String is "file:line: resource: field: message", leaving out what is unknown.
func (f Field) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(f.Line))
		}
		b.WriteString(": ")
	}
	if f.Resource != "" {
		b.WriteString(f.Resource)
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteString(": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// CodeOf returns the code of err, or "" where err is not an *Error.
func CodeOf(err error) ErrorCode {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
