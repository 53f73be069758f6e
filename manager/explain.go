package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// Question is a request that somebody asks about, without sending it.
type Question struct {
	// Credential is the public id of a key; else Partner and Environment name
	// the caller, and Application may be empty for any of the partner's.
	Credential                        string
	Partner, Application, Environment string

	Method string
	Host   string // empty: the host of the environment that fits best
	Path   string
	At     time.Time // zero: now
}

// Explanation is what the published snapshot decides on a Question, and why.
// Limits are not counted: an admitted request can still meet one.
type Explanation struct {
	Code          policy.Code
	PolicyVersion int64
	At            time.Time
	Asked         Question // with what was filled in
	Product       string
	Operation     string
	Subscription  string
	Limits        []LimitUse // that a request which is let through takes from; Used of quotas only
	Steps         []ExplainStep
}

// ExplainStep is what one step of the decision saw.
type ExplainStep struct {
	Step    string `json:"step"` // path, credential, partner, environment, operation, subscription, limits
	Outcome string `json:"outcome"`
	Saw     string `json:"saw"`
}

// The outcomes of a step.
const (
	StepPassed  = "passed"
	StepRefused = "refused"
)

// Explain decides a question by the published snapshot, with the code that the
// filters decide by, and tells what each step saw.
func (s *Service) Explain(ctx context.Context, q Question) (*Explanation, error) {
	if q.At.IsZero() {
		q.At = s.now()
	}
	published := s.Published()
	e := &explainer{policy: published.policy, snapshot: published.Snapshot}
	if err := e.identify(&q); err != nil {
		return nil, err
	}
	e.chooseHost(&q)
	e.decide(&q)
	e.tell(&q)
	if e.Code == policy.Admitted {
		if err := s.explainLimits(ctx, e, &q); err != nil {
			return nil, err
		}
	}
	e.PolicyVersion, e.At, e.Asked = published.Version, q.At, q
	return &e.Explanation, nil
}

// explainer answers one question.
type explainer struct {
	Explanation
	policy     *state
	snapshot   *policy.Snapshot
	credential *Credential
	decision   policy.Decision
}

// identify checks who the question is about, and fills in what its key says.
func (e *explainer) identify(q *Question) error {
	if q.Credential != "" {
		if e.credential = e.policy.credentials.get(q.Credential); e.credential == nil {
			return notFound(Ref{Kind: KindCredential, Name: q.Credential})
		}
		q.Partner, q.Application, q.Environment = e.credential.Metadata.Partner, e.credential.Application, e.credential.Environment
	}
	p, exists := e.policy.partner(q.Partner)
	if !exists {
		return notFound(Ref{Kind: KindPartner, Name: q.Partner})
	}
	if q.Application != "" && p.applications[q.Application] == nil {
		return notFound(Ref{Kind: KindApplication, Partner: q.Partner, Name: q.Application})
	}
	if e.policy.environments[q.Environment] == nil {
		return notFound(Ref{Kind: KindEnvironment, Name: q.Environment})
	}
	return nil
}

// chooseHost takes, where no host is named, the first one of the environment at
// which the request is let through, else one that has the path.
func (e *explainer) chooseHost(q *Question) {
	if q.Host != "" {
		return
	}
	for _, host := range e.policy.hosts(q.Environment) {
		r := request(q, host)
		if e.snapshot.DecideAs(caller(q), &r).Code == policy.Undecided {
			q.Host = host
			return
		}
		if q.Host == "" || e.snapshot.Trace(&r).Template != "" {
			q.Host = host
		}
	}
}

// hosts are those of all products that can be called in an environment.
func (s *state) hosts(environment string) []string {
	var all []string
	for _, name := range names(s.products) {
		if callable(s.products[name]) {
			all = append(all, s.products[name].Spec.Environments[environment].Hosts...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func request(q *Question, host string) policy.Request {
	return policy.Request{Method: q.Method, Host: host, Path: q.Path, Now: q.At.UnixMilli()}
}

func caller(q *Question) policy.Caller {
	return policy.Caller{Partner: q.Partner, Application: q.Application, Environment: q.Environment}
}

func (e *explainer) decide(q *Question) {
	r := request(q, q.Host)
	e.decision = e.snapshot.DecideAs(caller(q), &r)
	if e.decision.Code == policy.Undecided {
		e.decision.Code = policy.Admitted
	}
	if refusal := e.credentialRefusal(q.At); refusal != policy.Undecided && e.decision.Code != policy.PathNotCanonical {
		e.decision = policy.Decision{Code: refusal}
	}
	e.Code, e.Product, e.Operation, e.Subscription = e.decision.Code, e.decision.Product, e.decision.Operation, e.decision.Subscription
}

func (e *explainer) credentialRefusal(at time.Time) policy.Code {
	switch c := e.credential; {
	case c == nil:
	case c.RevokedAt != nil && !at.Before(*c.RevokedAt):
		return policy.CredentialRevoked
	case c.ExpiresAt != nil && !at.Before(*c.ExpiresAt):
		return policy.CredentialExpired
	}
	return policy.Undecided
}

// step adds a step; it reports whether the decision went on after it.
func (e *explainer) step(step string, refused bool, format string, args ...any) bool {
	outcome := StepPassed
	if refused {
		outcome = StepRefused
	}
	e.Steps = append(e.Steps, ExplainStep{step, outcome, fmt.Sprintf(format, args...)})
	return !refused
}

// tell goes through the steps in the order of the filters, up to the one that refused.
func (e *explainer) tell(q *Question) {
	r := request(q, q.Host)
	t := e.snapshot.Trace(&r)
	if !t.Canonical {
		e.step("path", true, "%q can be read in two ways", shortened(q.Path))
		return
	}
	_ = e.step("path", false, "%s is canonical", shortened(t.Path)) &&
		e.tellCredential() && e.tellPartner(q) && e.tellEnvironment(q, &t) && e.tellOperation(q, &t) && e.tellSubscriptions(q, &t)
}

func (e *explainer) tellCredential() bool {
	c := e.credential
	switch {
	case c == nil:
		return true
	case e.Code == policy.CredentialRevoked:
		return e.step("credential", true, "the key %s was revoked at %s", c.Metadata.Name, stamped(c.RevokedAt))
	case e.Code == policy.CredentialExpired:
		return e.step("credential", true, "the key %s expired at %s", c.Metadata.Name, stamped(c.ExpiresAt))
	}
	return e.step("credential", false, "the key %s is of %s/%s in %s", c.Metadata.Name, c.Metadata.Partner, c.Application, c.Environment)
}

func stamped(t *time.Time) string { return t.UTC().Format(time.RFC3339) }

func (e *explainer) tellPartner(q *Question) bool {
	suspended := e.Code == policy.PartnerSuspended
	state := StateActive
	if suspended {
		state = StateSuspended
	}
	return e.step("partner", suspended, "%s is %s", q.Partner, state)
}

func (e *explainer) tellEnvironment(q *Question, t *policy.Trace) bool {
	switch {
	case q.Host == "":
		return e.step("environment", true, "no product that can be called has a host in %s", q.Environment)
	case t.Environment == "":
		return e.step("environment", true, "no product that can be called is served at %s", shortened(t.Host))
	}
	return e.step("environment", e.Code == policy.EnvironmentMismatch, "the host %s is of %s, the caller of %s", t.Host, t.Environment, q.Environment)
}

func (e *explainer) tellOperation(q *Question, t *policy.Trace) bool {
	switch {
	case t.Template == "":
		return e.step("operation", true, "no template at %s matches %s", t.Host, shortened(t.Path))
	case len(t.Holders) == 0:
		return e.step("operation", true, "the template %s has no %s; it has %s", t.Template, shortened(q.Method), strings.Join(t.Methods, ", "))
	}
	holders := make([]string, len(t.Holders))
	for i, h := range t.Holders {
		holders[i] = h.Operation + " of " + h.Product
	}
	return e.step("operation", false, "the template %s, %s is %s", t.Template, q.Method, strings.Join(holders, " and "))
}

func (e *explainer) tellSubscriptions(q *Question, t *policy.Trace) bool {
	p, _ := e.policy.partner(q.Partner)
	var seen []string
	for _, h := range t.Holders {
		found := false
		for _, name := range names(p.subscriptions) {
			if r := p.subscriptions[name]; r.Spec.Product == h.Product && r.Spec.Environment == q.Environment {
				found = true
				seen = append(seen, fmt.Sprintf("%s to %s %s", name, h.Product, r.standing(q, h.Operation)))
			}
		}
		if !found {
			seen = append(seen, fmt.Sprintf("%s has none to %s in %s", q.Partner, h.Product, q.Environment))
		}
	}
	return e.step("subscription", e.Code != policy.Admitted, "%s", strings.Join(seen, "; "))
}

// standing is why a subscription does or does not grant an operation.
func (r *Subscription) standing(q *Question, operation string) string {
	s := &r.Spec
	switch {
	case s.State == StateRequested || s.State == StateEnded:
		return "is " + string(s.State)
	case s.StartsAt != nil && q.At.Before(*s.StartsAt):
		return "starts at " + stamped(s.StartsAt)
	case s.EndsAt != nil && !q.At.Before(*s.EndsAt):
		return "ended at " + stamped(s.EndsAt)
	case len(s.Operations) > 0 && !slices.Contains(s.Operations, operation):
		return "has only the operations " + strings.Join(s.Operations, ", ")
	case len(s.Applications) > 0 && q.Application != "" && !slices.Contains(s.Applications, q.Application):
		return "has only the applications " + strings.Join(s.Applications, ", ")
	}
	return "is " + string(s.State) + ", with the plan " + s.Plan
}

// explainLimits adds the limits that a request takes from, with what is spent of quotas.
func (s *Service) explainLimits(ctx context.Context, e *explainer, q *Question) error {
	uses, err := s.LimitUse(ctx, q.Partner, q.Environment)
	if err != nil {
		return err
	}
	p, _ := e.policy.partner(q.Partner)
	subscription := p.subscriptions[e.Subscription]
	if subscription == nil {
		return nil
	}
	var seen []string
	for _, l := range e.policy.limits(subscription) {
		if len(l.Operations) > 0 && !slices.Contains(l.Operations, e.Operation) {
			continue
		}
		use := LimitUse{Limit: l, Subscription: e.Subscription}
		words := l.Name + ": " + l.words()
		for _, u := range uses {
			ours := u.Limit.Name == l.Name && (u.Subscription == "" || u.Subscription == e.Subscription) && (u.Application == "" || u.Application == q.Application)
			if l.Quota != nil && ours {
				use = u
				words += fmt.Sprintf(", %d of them used, resets at %s", u.Used, stamped(&u.ResetsAt))
			}
		}
		e.Limits, seen = append(e.Limits, use), append(seen, words)
	}
	if len(seen) == 0 {
		seen = []string{"there are none"}
	}
	e.step("limits", false, "%s", strings.Join(seen, "; "))
	return nil
}

// words tells a limit in words.
func (l *Limit) words() string {
	switch {
	case l.Rate != nil && l.Rate.Burst != 0:
		return fmt.Sprintf("%d a %s, burst %d", l.Rate.Requests, l.Rate.Per, l.Rate.Burst)
	case l.Rate != nil:
		return fmt.Sprintf("%d a %s", l.Rate.Requests, l.Rate.Per)
	case l.Quota != nil:
		return fmt.Sprintf("%d a %s", l.Quota.Requests, l.Quota.Per)
	}
	return fmt.Sprintf("%d in flight", l.Concurrency.Requests)
}
