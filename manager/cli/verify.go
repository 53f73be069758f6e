package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
)

func (c *command) verify() *cobra.Command {
	o := verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that gateways decide as the policy says; exit code 2 where not",
		Long: `Checks that every live proxy decides by the newest policy version. That version names one snapshot, whose parts each proxy has checked by
their SHA-256, and portal and filters decide by it with the same code.

With --probe it also sends requests to the gateway of each environment (spec.gateway, or --gateway): as every application of every
partner, each GET operation that any partner holds, and compares what the gateway decides with what the policy says. It makes a key
that lives 15 minutes for each application, and revokes it afterwards. Requests that are let through reach the upstream, with
"partnergate-probe" for parameters, and count against limits; a limit that refuses agrees, since it is asked last. Operations of
other methods are never sent: for them the first check is what there is. On a large estate give --partner: a key is a policy version.

Exit code 0: all agree. 2: somebody does not, and is named. 1: it could not be found out.`,
		Example: `  partnergate verify
  partnergate verify --probe --partner acme --environment sandbox`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !o.probe && (o.partner != "" || o.environment != "" || o.gateway != "") {
				return &usageError{errors.New("--partner, --environment and --gateway go with --probe")}
			}
			if o.gateway != "" && o.environment == "" {
				return &usageError{errors.New("--gateway is that of one environment; say which with --environment")}
			}
			api, err := c.client()
			if err != nil {
				return err
			}
			v := &verification{api: api, options: o, notify: c.slowly}
			err = v.run(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.print(v.report, func(t *table) { showReport(t, &v.report) }); err != nil {
				return err
			}
			if !v.report.Agrees {
				return errVerdict
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "how long proxies may take to reach the newest version")
	f.BoolVar(&o.probe, "probe", false, "also send GET requests to the gateways")
	f.StringVar(&o.partner, "partner", "", "with --probe: only as this partner")
	f.StringVar(&o.environment, "environment", "", "with --probe: only in this environment")
	f.StringVar(&o.gateway, "gateway", "", "with --probe and --environment: the gateway's URL, in place of the environment's")
	complete(cmd, "gateway")
	return c.printsAnswer(cmd)
}

type verifyOptions struct {
	probe                         bool
	partner, environment, gateway string
	timeout                       time.Duration
}

// verifyReport is what verify found.
type verifyReport struct {
	Agrees        bool            `json:"agrees"`
	PolicyVersion int64           `json:"policy_version"` // the newest, before any key of this run
	Proxies       []verifiedProxy `json:"proxies"`
	Probes        int             `json:"probes"`
	NotProbed     []string        `json:"not_probed"`    // what could not or must not be sent, and why
	Disagreements []disagreement  `json:"disagreements"` // of probes
}

type verifiedProxy struct {
	ID            string `json:"id"`
	PolicyVersion int64  `json:"policy_version"`
	Agrees        bool   `json:"agrees"`
}

// disagreement is one request on which gateway and policy differ.
type disagreement struct {
	Partner     string `json:"partner"`
	Application string `json:"application"`
	Environment string `json:"environment"`
	Method      string `json:"method"`
	URL         string `json:"url"`
	Policy      string `json:"policy"`
	Gateway     string `json:"gateway"`
}

// verification is one run of verify.
type verification struct {
	api     *client.Client
	options verifyOptions
	notify  func(format string, args ...any) (done func())
	report  verifyReport

	withKeys int64 // policy version that has the keys of this run
}

func (v *verification) run(ctx context.Context) error {
	v.report = verifyReport{Agrees: true, Proxies: []verifiedProxy{}, NotProbed: []string{}, Disagreements: []disagreement{}}
	if err := v.proxies(ctx); err != nil || !v.options.probe {
		return err
	}
	return v.probe(ctx)
}

// proxies checks that each live proxy has the newest version, within the timeout.
func (v *verification) proxies(ctx context.Context) error {
	version, err := v.api.PolicyVersion(ctx)
	if err != nil {
		return err
	}
	v.report.PolicyVersion = version
	done := v.notify("Waiting for proxies")
	defer done()
	for deadline := time.Now().Add(v.options.timeout); ; {
		wait := min(longestWait, time.Until(deadline).Truncate(time.Second))
		behind, err := v.api.Acknowledged(ctx, version, max(wait, 0))
		if err != nil {
			return err
		}
		if len(behind) == 0 || time.Until(deadline) < time.Second {
			break
		}
	}
	all, err := v.api.Proxies(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Live {
			agrees := p.PolicyVersion >= version
			v.report.Proxies = append(v.report.Proxies, verifiedProxy{p.ID, p.PolicyVersion, agrees})
			v.report.Agrees = v.report.Agrees && agrees
		}
	}
	if len(v.report.Proxies) == 0 {
		return errors.New("no proxy is live, so there is nothing to verify; see `partnergate proxies`")
	}
	return nil
}

func showReport(t *table, r *verifyReport) {
	t.row("PROXY", "POLICY VERSION", "AGREES")
	for _, p := range r.Proxies {
		t.row(p.ID, strconv.FormatInt(p.PolicyVersion, 10), yesNo(p.Agrees))
	}
	t.note("\nThe newest policy version is %d.", r.PolicyVersion)
	for _, d := range r.Disagreements {
		t.note("%s", plainText(fmt.Sprintf("%s as %s/%s in %s: the policy says %s, the gateway %s", d.Method+" "+d.URL, d.Partner, d.Application, d.Environment, d.Policy, d.Gateway)))
	}
	for _, what := range r.NotProbed {
		t.note("Not probed: %s.", what)
	}
	if r.Probes > 0 {
		t.note("%s sent, %s.", count(r.Probes, "request"), count(len(r.Disagreements), "disagreement"))
	}
	if r.Agrees {
		t.note("All agree.")
	} else {
		t.note("They do not agree.")
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// gateways are the base URLs to probe, by environment.
func (v *verification) gateways(ctx context.Context) (map[string]*url.URL, error) {
	environments, err := v.api.Resources(ctx, manager.KindEnvironment, "")
	if err != nil {
		return nil, err
	}
	found := map[string]*url.URL{}
	for _, r := range environments {
		e, _ := r.(*manager.Environment)
		if v.options.environment != "" && e.Metadata.Name != v.options.environment {
			continue
		}
		base := firstOf(v.options.gateway, e.Spec.Gateway)
		if base == "" {
			v.report.NotProbed = append(v.report.NotProbed, e.Metadata.Name+", which has no gateway")
			continue
		}
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, &usageError{fmt.Errorf("the gateway %q is no http or https URL", base)}
		}
		found[e.Metadata.Name] = u
	}
	if len(found) == 0 {
		return nil, errors.New("there is no gateway to probe; give the environment a spec.gateway, or --environment and --gateway")
	}
	return found, nil
}
