package cli

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager/rest"
)

// caller are the flags that say who a question is about.
type caller struct{ partner, application, environment, credential, host, at string }

func (who *caller) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&who.partner, "partner", "", "partner that would call")
	f.StringVar(&who.environment, "environment", "", "environment of its key, such as sandbox")
	f.StringVar(&who.application, "application", "", "application that would call; any of the partner's without it")
	f.StringVar(&who.credential, "key", "", "id of the key, instead of partner, environment and application")
	f.StringVar(&who.host, "host", "", "host that would be called; without it and with a path alone, the one of the environment that fits best")
	f.StringVar(&who.at, "at", "", "at what time: 2026-01-31T12:00:00Z (default: now)")
}

// query is the question about METHOD and PATH, which may be a whole URL.
func (who *caller) query(method, target string) (url.Values, error) {
	host := who.host
	if !strings.HasPrefix(target, "/") && strings.Contains(target, "://") {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" {
			return nil, &usageError{fmt.Errorf("%q is no URL; write it as https://api.example.test/payments, or give a path", target)}
		}
		if host == "" {
			host = u.Host
		}
		_, rest, _ := strings.Cut(target, "://")
		if slash := strings.IndexAny(rest, "/?#"); slash >= 0 { // the path as written: it may be one that is refused
			target = rest[slash:]
		} else {
			target = "/"
		}
	}
	q := url.Values{}
	for name, value := range map[string]string{"partner": who.partner, "application": who.application, "environment": who.environment,
		"credential": who.credential, "host": host, "method": method, "path": target, "at": who.at} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q, nil
}

func (c *command) ask(ctx context.Context, who *caller, method, target string) (*rest.Explanation, error) {
	q, err := who.query(method, target)
	if err != nil {
		return nil, err
	}
	api, err := c.client()
	if err != nil {
		return nil, err
	}
	return api.Explain(ctx, q)
}

func (c *command) canI() *cobra.Command {
	who := &caller{}
	cmd := &cobra.Command{
		Use:   "can-i --partner P --environment E METHOD PATH",
		Short: "Ask whether a partner may call an operation; exit code 2 where not",
		Long: `Decides by the published policy, with the code of the filters, and sends nothing to any gateway. PATH may be a whole URL.
Limits are named, not counted: a request that is let through here can still meet one.
Exit code 0: let through. 2: refused. 1: it could not be found out.`,
		Example: `  partnergate can-i --partner acme --environment sandbox GET /payments/charges
  partnergate can-i --partner acme --environment production GET https://api.example.test/payments/charges --at 2030-01-01T00:00:00Z`,
		Args: exactArguments(2, 2, "METHOD PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := c.ask(cmd.Context(), who, args[0], args[1])
			if err != nil {
				return err
			}
			if err := c.print(e, func(t *table) { showVerdict(t, e) }); err != nil {
				return err
			}
			if e.Code != policy.Admitted.String() {
				return errVerdict
			}
			return nil
		},
	}
	who.flags(cmd)
	completeMethods(cmd)
	return c.printsAnswer(cmd)
}

func completeMethods(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}, cobra.ShellCompDirectiveNoFileComp
	}
}

// showVerdict is the short answer.
func showVerdict(t *table, e *rest.Explanation) {
	if e.Code == policy.Admitted.String() {
		t.note("yes: %s is %s of %s, by the subscription %s. Policy version %d.", plainText(e.Method+" "+e.Host+e.Path), e.Operation, e.Product, e.Subscription, e.PolicyVersion)
		return
	}
	why := e.Detail
	if n := len(e.Steps); n > 0 {
		why = e.Steps[n-1].Saw + "."
	}
	t.note("no: %s, %d. %s Policy version %d.", e.Code, e.Status, plainText(why), e.PolicyVersion)
}

func plainText(s string) string { return plain([]string{s})[0] }

func showExplanation(t *table, e *rest.Explanation) {
	t.row("STEP", "OUTCOME", "SAW")
	for _, s := range e.Steps {
		t.row(s.Step, s.Outcome, s.Saw)
	}
	t.note("")
	showVerdict(t, e)
}

func (c *command) explain() *cobra.Command {
	who := &caller{}
	cmd := &cobra.Command{
		Use:   "explain REQUEST_ID | METHOD URL --partner P --environment E",
		Short: "Tell step by step why a request was, or would be, let through or refused",
		Long: `With the id of a logged request: what was decided on it, and what the policy of now decides on the same at that time.
With METHOD and a URL or path: what the policy of now decides, as can-i does, with each step.
Proxies log up to 50 decisions a second and partner, within 5 seconds; the host of a request is not logged.`,
		Example: `  partnergate explain b8f36c59-52ac-45a1-858e-fd527d238002
  partnergate explain GET https://api.example.test/payments/charges --key abcdefghijkl`,
		Args: exactArguments(1, 2, "REQUEST_ID, or METHOD and URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.explainLogged(cmd.Context(), args[0], who)
			}
			e, err := c.ask(cmd.Context(), who, args[0], args[1])
			if err != nil {
				return err
			}
			return c.print(e, func(t *table) { showExplanation(t, e) })
		},
	}
	who.flags(cmd)
	completeMethods(cmd)
	return c.printsAnswer(cmd)
}

// explainedRequest is a logged request with what the policy of now says of it.
type explainedRequest struct {
	Request rest.Request      `json:"request"`
	Meaning string            `json:"meaning"`       // of its outcome
	Now     *rest.Explanation `json:"now,omitempty"` // null where nobody knows who called
}

func (c *command) explainLogged(ctx context.Context, id string, who *caller) error {
	if *who != (caller{host: who.host}) {
		return &usageError{fmt.Errorf("the log says who sent the request %s; only --host can be given beside its id", id)}
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	page, err := api.Requests(ctx, url.Values{"request_id": {id}})
	if err != nil {
		return err
	}
	if len(page.Items) == 0 {
		return fmt.Errorf("there is no request %s in the log; proxies log up to 50 decisions a second and partner, within 5 seconds, and 30 days are kept", id)
	}
	answer := explainedRequest{Request: page.Items[0]}
	code, _ := policy.ParseCode(answer.Request.Outcome)
	answer.Meaning = code.Info().Detail
	if r := answer.Request; r.Partner != "" && r.Environment != "" {
		if answer.Now, err = api.Explain(ctx, logged(&r, who.host)); err != nil {
			return fmt.Errorf("the request %s had the outcome %s, which the policy of now cannot explain: %w", id, r.Outcome, err)
		}
	}
	return c.print(answer, func(t *table) { showExplained(t, &answer) })
}

// logged is the question about a logged request.
func logged(r *rest.Request, host string) url.Values {
	who := caller{partner: r.Partner, application: r.Application, environment: r.Environment, host: host, at: r.Time.UTC().Format(time.RFC3339Nano)}
	if r.Credential != "" {
		who.partner, who.application, who.environment, who.credential = "", "", "", r.Credential
	}
	q, _ := who.query(r.Method, r.Path) // a path is never a wrong URL
	return q
}

func showExplained(t *table, a *explainedRequest) {
	r := &a.Request
	t.row("TIME", moment(r.Time))
	t.row("REQUEST", r.Method+" "+r.Path)
	t.row("OUTCOME", r.Outcome)
	t.row("STATUS", strconv.Itoa(r.Status))
	t.row("PARTNER", r.Partner)
	t.row("APPLICATION", r.Application)
	t.row("KEY", r.Credential)
	t.row("ENVIRONMENT", r.Environment)
	t.row("PRODUCT", r.Product)
	t.row("OPERATION", r.Operation)
	t.row("LIMIT", r.Limit)
	t.row("POLICY VERSION", strconv.FormatInt(r.PolicyVersion, 10))
	t.row("PROXY", r.Proxy)
	t.note("\n%s", a.Meaning)
	if a.Now == nil {
		t.note("Nobody knows who sent it, so there is no more to say.")
		return
	}
	t.note("\nThe policy of now, on the same request at that time:")
	for _, s := range a.Now.Steps {
		t.note("  %-12s  %-7s  %s", s.Step, s.Outcome, plainText(s.Saw))
	}
	showVerdict(t, a.Now)
}
