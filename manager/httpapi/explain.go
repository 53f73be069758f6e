package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// explanationAnswer is what the policy decides on a request that nobody sent, and why.
type explanationAnswer struct {
	Code          string                `json:"code"` // admitted, or the code of the refusal
	Status        int                   `json:"status,omitempty"`
	Detail        string                `json:"detail"`
	PolicyVersion int64                 `json:"policy_version"`
	At            time.Time             `json:"at"`
	Partner       string                `json:"partner"`
	Application   string                `json:"application,omitempty"`
	Environment   string                `json:"environment"`
	Credential    string                `json:"credential,omitempty"`
	Method        string                `json:"method"`
	Host          string                `json:"host"`
	Path          string                `json:"path"`
	Product       string                `json:"product,omitempty"`
	Operation     string                `json:"operation,omitempty"`
	Subscription  string                `json:"subscription,omitempty"`
	Steps         []manager.ExplainStep `json:"steps"`
}

// explain answers whether a request would be let through, and what each step of the decision saw.
func (a *api) explain(c *gin.Context) error {
	q := readQuery(c, "partner", "application", "environment", "credential", "method", "host", "path", "at")
	question := manager.Question{
		Credential: q.text("credential"), Partner: q.text("partner"), Application: q.text("application"), Environment: q.text("environment"),
		Method: strings.ToUpper(q.text("method")), Host: q.text("host"), Path: q.text("path"), At: q.moment("at", a.now(), a.now()),
	}
	checkQuestion(q, &question)
	if q.err != nil {
		return q.err
	}
	e, err := a.service.Explain(c.Request.Context(), question)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, answerOfExplanation(e))
	return nil
}

func checkQuestion(q *query, question *manager.Question) {
	caller := question.Partner + question.Application + question.Environment
	switch {
	case question.Credential != "" && caller != "":
		q.fail("credential", "says partner, application and environment already; leave those out")
	case question.Credential == "" && (question.Partner == "" || question.Environment == ""):
		q.fail("partner", "or environment is missing; give both, or the id of a key as credential")
	case question.Method == "":
		q.fail("method", "is missing; give one such as GET")
	case question.Path == "":
		q.fail("path", "is missing; give the path of a request, such as /payments/charges")
	}
}

func answerOfExplanation(e *manager.Explanation) explanationAnswer {
	info := e.Code.Info()
	return explanationAnswer{
		Code: info.Name, Status: info.Status, Detail: info.Detail, PolicyVersion: e.PolicyVersion, At: e.At.UTC(),
		Partner: e.Asked.Partner, Application: e.Asked.Application, Environment: e.Asked.Environment, Credential: e.Asked.Credential,
		Method: e.Asked.Method, Host: e.Asked.Host, Path: e.Asked.Path,
		Product: e.Product, Operation: e.Operation, Subscription: e.Subscription, Steps: e.Steps,
	}
}
