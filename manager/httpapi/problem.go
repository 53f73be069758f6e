package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/partnergate/partnergate/filters/wire"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// requestError is a request that never reaches the domain.
type requestError struct {
	status int
	code   string
	detail string
}

// Error implements error.
func (e *requestError) Error() string { return e.detail }

// badRequest is the code of what cannot be read at all.
const badRequest = "bad_request"

func errBad(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, badRequest, fmt.Sprintf(format, args...)}
}

func errInvalid(field, format string, args ...any) error {
	return &manager.Error{
		Code:    manager.CodeInvalid,
		Message: "The request is not valid.",
		Fields:  []manager.Field{{Path: field, Message: fmt.Sprintf(format, args...)}},
	}
}

func errPrecondition(format string, args ...any) error {
	return &requestError{http.StatusPreconditionFailed, string(manager.CodeStale), fmt.Sprintf(format, args...)}
}

func errNoRoute(r *http.Request) error {
	return &requestError{http.StatusNotFound, string(manager.CodeNotFound),
		fmt.Sprintf("there is nothing at %s; what there is stands in /api/v1/openapi.json", r.URL.Path)}
}

func errNoMethod(r *http.Request, allow string) error {
	return &requestError{http.StatusMethodNotAllowed, "method_not_allowed",
		fmt.Sprintf("%s is not possible here, only %s", r.Method, allow)}
}

var statusOf = map[manager.ErrorCode]int{
	manager.CodeInvalid:      http.StatusUnprocessableEntity,
	manager.CodeNotFound:     http.StatusNotFound,
	manager.CodeConflict:     http.StatusConflict,
	manager.CodeStale:        http.StatusPreconditionFailed,
	manager.CodeUnauthorized: http.StatusUnauthorized,
	manager.CodeForbidden:    http.StatusForbidden,
	manager.CodeTooMany:      http.StatusTooManyRequests,
	manager.CodeUnavailable:  http.StatusServiceUnavailable,
	manager.CodeVersion:      http.StatusNotImplemented, // which filters take for passing, and keep their batch
}

// problemOf is the one place where errors become HTTP. It is false for an
// error that is nobody's fault but ours: its text is for the log alone.
func problemOf(err error) (rest.Problem, bool) {
	var domain *manager.Error
	var request *requestError
	switch {
	case errors.As(err, &domain):
		p := rest.Problem{Status: statusOf[domain.Code], Code: domain.Reason, Detail: domain.Message, Errors: domain.Fields}
		if p.Code == "" {
			p.Code = string(domain.Code)
		}
		if domain.Reason == manager.ReasonMalformed {
			p.Status, p.Code = http.StatusBadRequest, badRequest
		}
		return p, p.Status != 0
	case errors.As(err, &request):
		return rest.Problem{Status: request.status, Code: request.code, Detail: request.detail}, true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return rest.Problem{Status: http.StatusServiceUnavailable, Code: string(manager.CodeUnavailable),
			Detail: "the request ended before there was an answer; send it again"}, true
	}
	return rest.Problem{}, false
}

func (a *api) writeError(w http.ResponseWriter, r *http.Request, err error) {
	p, known := problemOf(err)
	id := requestID(r)
	if !known {
		a.logger.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p = internalProblem()
	}
	a.noteRefusal(w, r, err, p.Code)
	writeProblem(w, p, id)
}

// noteRefusal tells the log the cause, and a proxy the code where it sees it
// without reading JSON.
func (a *api) noteRefusal(w http.ResponseWriter, r *http.Request, err error, code string) {
	var domain *manager.Error
	if errors.As(err, &domain) && domain.Cause() != nil {
		telemetry.Note(r.Context(), "error", domain.Cause().Error())
	}
	if surfaceOf(r.URL.Path) == manager.SurfaceEdge {
		a.metrics.EdgeRefused(code)
		w.Header().Set(wire.VersionHeader, code)
		telemetry.Note(r.Context(), "code", code)
	}
}

func internalProblem() rest.Problem {
	return rest.Problem{Status: http.StatusInternalServerError, Code: "internal",
		Detail: "something failed inside the manager; its log tells what, under this request id"}
}

func writeProblem(w http.ResponseWriter, p rest.Problem, id string) {
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), id
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}
