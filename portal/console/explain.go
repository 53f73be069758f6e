package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// explainView asks the policy of today about a request that nobody sends.
type explainView struct {
	Frame        frame
	Form         question
	Environments []web.Choice
	Wrong        string // what of the form does not fit
	Answered     bool
	Outcome      web.Outcome
	Status       int
	Version      int64
	Fields       []field // what was filled in and found
	Steps        []stepView
}

// question is the form, as it was sent.
type question struct {
	Credential, Partner, Application, Environment, Method, Host, Path string
}

// field is one fact.
type field struct{ Name, Value string }

type stepView struct {
	Step, Saw string
	Refused   bool
}

func (v *visit) question() question {
	return question{
		Credential: v.query("credential"), Partner: v.query("partner"), Application: v.query("application"), Environment: v.query("environment"),
		Method: strings.ToUpper(v.query("method")), Host: v.query("host"), Path: v.query("path"),
	}
}

// lacks says what the question lacks, "" for nothing.
func (q question) lacks() string {
	switch {
	case q.Credential != "" && q.Partner+q.Application != "":
		return "The id of a key says partner, application and environment already: leave those out."
	case q.Credential == "" && q.Partner == "":
		return "Who calls? Give a partner, or the id of a key."
	case q.Method == "":
		return "Give a method, such as GET."
	case q.Path == "":
		return "Give a path, such as /payments/charges."
	}
	return ""
}

func (s *server) explain(v *visit) error {
	f, err := v.frame("Ask the policy", "/admin/requests")
	if err != nil {
		return err
	}
	view := explainView{Frame: f, Form: v.question()}
	if view.Environments, err = v.environmentChoices(view.Form.Environment); err != nil {
		return err
	}
	status := http.StatusOK
	if v.r.URL.RawQuery != "" {
		if view.Wrong = view.Form.lacks(); view.Wrong == "" {
			err = v.answer(&view)
		}
		if view.Wrong != "" {
			status = http.StatusUnprocessableEntity
		}
	}
	if err == nil {
		v.Render(v.w, v.r, status, view)
	}
	return err
}

func (v *visit) environmentChoices(current string) ([]web.Choice, error) {
	environments, err := v.all(manager.Query{Kind: manager.KindEnvironment})
	if err != nil {
		return nil, err
	}
	var list []web.Choice
	for _, r := range environments {
		name := r.Meta().Name
		list = append(list, web.Choice{Value: name, Label: name, Current: name == current})
	}
	return list, nil
}

// answer asks. What the question names and the policy does not know is told beside the form.
func (v *visit) answer(view *explainView) error {
	q := view.Form
	asked := manager.Question{Credential: q.Credential, Method: q.Method, Host: q.Host, Path: q.Path}
	if q.Credential == "" {
		asked.Partner, asked.Application, asked.Environment = q.Partner, q.Application, q.Environment
	}
	e, err := v.Service.Explain(v.ctx(), asked)
	if manager.CodeOf(err) == manager.CodeNotFound {
		view.Wrong = web.Sentence(err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	view.Answered, view.Outcome, view.Status, view.Version = true, outcomeOf(e.Code.String()), e.Code.Info().Status, e.PolicyVersion
	for _, f := range []field{
		{"Partner", e.Asked.Partner}, {"Application", e.Asked.Application}, {"Environment", e.Asked.Environment}, {"Host", e.Asked.Host},
		{"Product", e.Product}, {"Operation", e.Operation}, {"Subscription", e.Subscription},
	} {
		if f.Value != "" {
			view.Fields = append(view.Fields, f)
		}
	}
	for _, step := range e.Steps {
		view.Steps = append(view.Steps, stepView{step.Step, step.Saw, step.Outcome == manager.StepRefused})
	}
	return nil
}

// requestsURL is the log with one filter.
func requestsURL(name, value string) string {
	return "/admin/requests?" + url.Values{name: {value}}.Encode()
}
