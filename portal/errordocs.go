package portal

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// errorIndexView lists every refusal code.
type errorIndexView struct {
	Frame frame
	Codes []errorCode
}

type errorCode struct {
	Name, Status, Title, URL string
	Tone                     string
}

// errorDocView is the page about one code: where the type of a refusal leads.
type errorDocView struct {
	Frame   frame
	Code    errorCode
	Detail  string
	GRPC    string
	Headers []string
	Body    string // an example
	LogURL  string
}

func errorCodeOf(code policy.Code) errorCode {
	return errorCode{
		Name: code.String(), Status: strconv.Itoa(code.Info().Status), Title: code.Info().Title,
		URL: web.ErrorPath(code.String()), Tone: web.OutcomeOf(code.String()).Tone,
	}
}

func (s *server) errorIndex(w http.ResponseWriter, r *http.Request) {
	view := errorIndexView{Frame: s.frame(r, "Why a request was refused")}
	for _, code := range policy.Refusals() {
		view.Codes = append(view.Codes, errorCodeOf(code))
	}
	s.Render(w, r, http.StatusOK, view)
}

func (s *server) errorDoc(w http.ResponseWriter, r *http.Request) {
	code, ok := policy.ParseCode(r.PathValue("code"))
	if !ok || !code.Refused() {
		s.Fail(w, r, &manager.Error{Code: manager.CodeNotFound, Message: "There is no such code. All codes are listed at " + s.PublicURL + "/docs/errors."})
		return
	}
	info := code.Info()
	view := errorDocView{
		Frame: s.frame(r, info.Title), Code: errorCodeOf(code), Detail: info.Detail, GRPC: info.GRPC,
		LogURL: "/requests?outcome=" + code.String(),
	}
	switch info.Status {
	case http.StatusUnauthorized:
		view.Headers = []string{"WWW-Authenticate: how to send a key"}
	case http.StatusTooManyRequests:
		view.Headers = []string{"Retry-After: seconds to wait", "RateLimit: what is left", "RateLimit-Policy: the limits themselves"}
	}
	var err error
	if view.Body, err = exampleBody(s.PublicURL, code); err != nil {
		s.Fail(w, r, err)
		return
	}
	s.Render(w, r, http.StatusOK, view)
}

// refusalBody is the body of a refusal, as the design has it.
type refusalBody struct {
	Type          string `json:"type"`
	Title         string `json:"title"`
	Status        int    `json:"status"`
	Detail        string `json:"detail"`
	Code          string `json:"code"`
	RequestID     string `json:"request_id"`
	PolicyVersion int64  `json:"policy_version"`
	Limit         string `json:"limit,omitempty"`
}

func exampleBody(publicURL string, code policy.Code) (string, error) {
	info := code.Info()
	body := refusalBody{
		Type: publicURL + web.ErrorPath(code.String()), Title: info.Title, Status: info.Status, Detail: info.Detail,
		Code: code.String(), RequestID: "0a8f6c1e-5d0e-4a55-9d2b-6f1a9c3e7b42", PolicyVersion: 42,
	}
	if code == policy.LimitExceeded {
		body.Limit = "throughput"
	}
	text, err := json.MarshalIndent(body, "", "  ")
	return string(text), err
}
