package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Message is what a page says that says one thing: not found, failed, not allowed.
type Message struct {
	Status int
	Title  string
	Text   string
	// Reference finds the failure in the log; empty where nothing failed.
	Reference string
}

// ErrNotFound is for what is not there, and for what is another's.
var ErrNotFound = &manager.Error{Code: manager.CodeNotFound, Message: "There is no such page, or it is not yours to see."}

// Message answers with a page that says one thing.
func (s *Site) Message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	s.Render(w, r, status, s.MessageView(s.Frame(r, title), Message{Status: status, Title: title, Text: text}))
}

// NotFound answers what is no page.
func (s *Site) NotFound(w http.ResponseWriter, r *http.Request) { s.Fail(w, r, ErrNotFound) }

// Fail answers an error as a page for anybody.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	s.FailAs(w, r, err, s.MessageView)
}

// FailAs answers an error as the page that view makes of it.
func (s *Site) FailAs(w http.ResponseWriter, r *http.Request, err error, view func(Frame, Message) any) {
	status, title, text := s.told(r, err)
	_ = RetryAfter(w, err) // only its header
	m := Message{Status: status, Title: title, Text: text}
	if status >= http.StatusInternalServerError {
		m.Reference = r.Header.Get("X-Request-Id") // given by the server around the portal
	}
	s.Render(w, r, m.Status, view(s.Frame(r, m.Title), m))
}

// RetryAfter tells browsers when to try again, and returns it in words; ""
// where err does not ask to wait.
func RetryAfter(w http.ResponseWriter, err error) string {
	e, ok := errors.AsType[*manager.Error](err)
	if !ok || e.Code != manager.CodeTooMany {
		return ""
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter/time.Second)))
	return waitWords(e.RetryAfter)
}

func waitWords(wait time.Duration) string {
	return Count(int64((wait+time.Minute-1)/time.Minute), "minute")
}

// Problem answers an error as RFC 9457 has it.
func (s *Site) Problem(w http.ResponseWriter, r *http.Request, err error) {
	status, title, text := s.told(r, err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problemBody{"about:blank", title, status, text}) // the client is gone: nobody to tell
}

type problemBody struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// told is what a reader is told of an error: what the domain says to people,
// and of anything else only that it happened.
func (s *Site) told(r *http.Request, err error) (status int, title, text string) {
	if e, ok := errors.AsType[*manager.Error](err); ok {
		switch e.Code {
		case manager.CodeNotFound:
			return http.StatusNotFound, "Not found", Sentence(e.Message)
		case manager.CodeForbidden:
			return http.StatusForbidden, "You may not do that", Sentence(e.Message)
		case manager.CodeUnauthorized:
			return http.StatusUnauthorized, "Log in first", Sentence(e.Message)
		case manager.CodeInvalid:
			return http.StatusUnprocessableEntity, "That did not fit", Sentence(e.Error())
		case manager.CodeTooMany:
			return http.StatusTooManyRequests, "Too many tries", "Too many passwords were wrong. Try again in " + waitWords(e.RetryAfter) + "."
		case manager.CodeConflict, manager.CodeStale:
			if e.Reason == manager.ReasonFileOwned {
				return http.StatusConflict, "The provider keeps it", Sentence(e.Message)
			}
			return http.StatusConflict, "That is no longer so", Sentence(e.Message)
		case manager.CodeUnavailable:
			s.Logger.ErrorContext(r.Context(), "the portal is without its store", "error", err, "method", r.Method, "path", r.URL.Path)
			return http.StatusServiceUnavailable, "The portal is not available", "It cannot reach its data right now. " + s.Keys + "Try again in a few seconds."
		}
	}
	s.Logger.ErrorContext(r.Context(), "the portal failed", "error", err, "method", r.Method, "path", r.URL.Path)
	return http.StatusInternalServerError, "Something went wrong", "The portal failed to make this page; the operator finds the reason in its log. " + s.Keys + "Try again."
}
