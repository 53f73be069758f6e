package web

import "github.com/partnergate/partnergate/filters/policy"

// Outcome is what was decided on a request, with what it means.
type Outcome struct {
	Code, Title, Detail string
	URL                 string // the page about the code; empty for what was admitted
	Tone                string // good, warn (a limit), bad
}

// OutcomeOf is the outcome of that name.
func OutcomeOf(name string) Outcome {
	code, ok := policy.ParseCode(name)
	if !ok {
		return Outcome{Code: name, Title: name, Tone: "bad"}
	}
	info := code.Info()
	o := Outcome{Code: name, Title: info.Title, Detail: info.Detail, Tone: "good"}
	if code.Refused() {
		o.URL, o.Tone = ErrorPath(name), "bad"
		if info.Status == 429 {
			o.Tone = "warn"
		}
	}
	return o
}

// ErrorPath is the page about a refusal's code.
func ErrorPath(code string) string { return "/docs/errors/" + code }

// OutcomeChoices are all outcomes, for a filter.
func OutcomeChoices(current string) []Choice {
	list := []Choice{{"", "All outcomes", "", current == ""}}
	for _, code := range append([]policy.Code{policy.Admitted}, policy.Refusals()...) {
		list = append(list, Choice{code.String(), code.String(), "", code.String() == current})
	}
	return list
}
