package console

import (
	"regexp"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

// TestOutcomes are told to operators, and not to who called.
func TestOutcomes(t *testing.T) {
	toCaller := regexp.MustCompile(`(?i)\byours?\b|\byou\b`)
	for _, code := range append(policy.Refusals(), policy.Admitted) {
		o := outcomeOf(code.String())
		if o.Title == "" || outcomes[code].Detail == "" || o.Detail != outcomes[code].Detail {
			t.Errorf("%s has no words for operators", code)
		}
		if toCaller.MatchString(o.Title + o.Detail) {
			t.Errorf("%s speaks to who called: %s. %s", code, o.Title, o.Detail)
		}
	}
	if o := outcomeOf("of another version"); o.Title != "of another version" || o.Detail != "" {
		t.Errorf("an unknown outcome is told as %+v", o)
	}
}
