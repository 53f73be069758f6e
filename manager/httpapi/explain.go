package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

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

func answerOfExplanation(e *manager.Explanation) rest.Explanation {
	info := e.Code.Info()
	return rest.Explanation{
		Code: info.Name, Status: info.Status, Detail: info.Detail, PolicyVersion: e.PolicyVersion, At: e.At.UTC(),
		Partner: e.Asked.Partner, Application: e.Asked.Application, Environment: e.Asked.Environment, Credential: e.Asked.Credential,
		Method: e.Asked.Method, Host: e.Asked.Host, Path: e.Asked.Path,
		Product: e.Product, Operation: e.Operation, Subscription: e.Subscription, Steps: e.Steps,
	}
}
