package manager

import (
	"encoding/json"
	"mime"

	"github.com/partnergate/partnergate/filters/policy"
)

// ReadRefusal tells a refusal of a gateway from an answer of the upstream behind
// it, and gives the refusal's code and request id; no code where it is none.
func ReadRefusal(status int, contentType string, body []byte) (code, requestID string) {
	media, _, _ := mime.ParseMediaType(contentType)
	var problem struct {
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	}
	if media != "application/problem+json" || json.Unmarshal(body, &problem) != nil {
		return "", ""
	}
	known, ok := policy.ParseCode(problem.Code)
	if !ok || !known.Refused() || known.Info().Status != status {
		return "", ""
	}
	return problem.Code, problem.RequestID
}
