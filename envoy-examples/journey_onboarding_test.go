package envoyexamples

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// trialQuota is the third partner's contract: so many calls a month.
const trialQuota = 600

// onboard brings a third partner in, while everything runs. After each step portal and gateway say the same.
func (j *journey) onboard(t *testing.T) {
	j.apply(t,
		&manager.Plan{Metadata: manager.Metadata{Name: "trial"}, Spec: manager.PlanSpec{Limits: []manager.Limit{
			{Name: "trial", Quota: &manager.Quota{Requests: trialQuota, Per: "month"}}}}},
		&manager.Partner{Metadata: manager.Metadata{Name: "echo"}, Spec: manager.PartnerSpec{Title: "Echo Travel"}},
		&manager.Application{Metadata: manager.Metadata{Name: "booking", Partner: "echo"}})
	probe := j.key(t, "echo", "booking", "sandbox")
	j.awaitAcknowledged(t, probe.PolicyVersion)
	j.agree(t, probe.Key, j.operatorsCatalog(t), 0) // a partner without subscriptions

	j.change(t, &manager.Subscription{Metadata: manager.Metadata{Name: "payments-sandbox", Partner: "echo"},
		Spec: manager.SubscriptionSpec{Product: "payments", Environment: "sandbox", Plan: "trial"}})
	listed := j.operatorsCatalog(t)
	j.agree(t, probe.Key, listed, len(listed))

	const ada = "ada@echo.example"
	if _, err := j.InviteMember(t.Context(), "echo", ada, manager.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	if err := j.SetPassword(t.Context(), "echo", ada, password); err != nil {
		t.Fatal(err)
	}
	j.echo = logIn(t, j.url(), ada, password)
	if own := callable(j.echo.catalog(t, "sandbox")); !maps.Equal(own, listed) || len(own) == 0 {
		t.Errorf("the member sees %v, and the operator %v", own, listed)
	}

	j.echoKey = j.echo.makeKey(t, "booking", "sandbox")
	j.awaitFirstCall(t)
	j.agree(t, j.echoKey, callable(j.echo.catalog(t, "sandbox")), len(listed))
}

// awaitFirstCall makes the first call with the key from the portal, and finds it in both logs.
func (j *journey) awaitFirstCall(t *testing.T) {
	t.Helper()
	var id string
	call := func() (a answer) {
		a, id = j.callMarked(t, "echo", j.echoKey, sandboxHost, http.MethodGet, "/payments/charges")
		return a
	}
	poll(t, "the new key is refused", func() bool {
		a := call()
		if a.outcome() == "credential_unknown" { // nobody's key, until the gateway has heard of it
			j.tally.move("echo", "", "credential_unknown")
		}
		return a.outcome() == "admitted"
	})
	took := promised(t, "a call is in the partner's own log", logPromise, func() time.Duration {
		newSecond(t)
		expect(t, call(), 200, "admitted")
		called := time.Now()
		poll(t, "a call is not in the partner's own log", func() bool { return j.echo.logged(t, id) })
		return time.Since(called)
	})
	t.Logf("in the partner's own log after %s", took.Round(time.Millisecond))
	if entry := j.awaitLogged(t, id); entry.Partner != "echo" || entry.Outcome != "admitted" || entry.Product != "payments" {
		t.Errorf("the operator's log has %+v", entry)
	}
	if j.cobalt.logged(t, id) {
		t.Errorf("another partner sees the call")
	}
}

// call is a method and path template.
type call struct{ method, path string }

// callable are the calls of a catalog.
func callable(catalog []operation) map[call]bool {
	set := map[call]bool{}
	for _, o := range catalog {
		set[call{o.Method, o.Path}] = true
	}
	return set
}

// operatorsCatalog is what the operator sees of the third partner's catalog.
func (j *journey) operatorsCatalog(t testing.TB) map[call]bool {
	t.Helper()
	var body struct {
		Operations []operation `json:"operations"`
	}
	j.adminGet(t, "/api/v1/partners/echo/catalog?environment=sandbox", &body)
	return callable(body.Operations)
}

// agree calls every operation of the estate, which is what Delta has, with a key of the third partner's.
func (j *journey) agree(t *testing.T, key string, listed map[call]bool, want int) {
	t.Helper()
	if len(listed) != want {
		t.Errorf("the catalog lists %d operations, want %d", len(listed), want)
	}
	estate := callable(j.delta.catalog(t, "sandbox"))
	if len(estate) < 16 {
		t.Fatalf("the estate has only %d operations", len(estate))
	}
	for _, c := range slices.SortedFunc(maps.Keys(estate), func(a, b call) int { return strings.Compare(a.path+a.method, b.path+b.method) }) {
		path := strings.NewReplacer("{", "x-", "}", "").Replace(c.path)
		if a := j.call(t, "echo", key, sandboxHost, c.method, path); (a.outcome() == "admitted") != listed[c] {
			t.Errorf("%s %s: listed: %t, and the gateway says %d %s", c.method, c.path, listed[c], a.status, a.outcome())
		}
	}
}
