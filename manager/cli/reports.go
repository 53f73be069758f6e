package cli

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/rest"
)

// question gives a command one flag for each parameter, and collects those given.
func question(cmd *cobra.Command, parameters ...[2]string) func() url.Values {
	values := make([]*string, len(parameters))
	for i, p := range parameters {
		values[i] = cmd.Flags().String(strings.ReplaceAll(p[0], "_", "-"), "", p[1])
	}
	return func() url.Values {
		query := url.Values{}
		for i, p := range parameters {
			if *values[i] != "" {
				query.Set(p[0], *values[i])
			}
		}
		return query
	}
}

// selection are the parameters that usage and requests share.
var selection = [][2]string{
	{"partner", "only this partner"},
	{"application", "only this application"},
	{"product", "only this product"},
	{"environment", "only this environment"},
	{"operation", "only this operation id"},
	{"outcome", "only this outcome: admitted, or the code of a refusal"},
	{"from", "from this time on: 2026-01-31T12:00:00Z, or -1h, -7d (default: 24 hours before its end)"},
	{"to", "before this time (default: now)"},
}

func (c *command) usage() *cobra.Command {
	var groups []string
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Count requests by partner, product, operation, outcome or time",
		Long: `Count requests by partner, product, operation, outcome or time.

They are counted by the minute: --from is rounded down and --to up to whole minutes.
The line below the table tells from when to when was counted.`,
		Args: noArguments,
	}
	query := question(cmd, selection...)
	cmd.Flags().StringSliceVar(&groups, "group-by", []string{"partner", "product", "environment", "outcome"},
		"partner, application, product, environment, operation, outcome, minute, hour, day; empty for one sum")
	cmd.RunE = c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
		q := query()
		q.Set("group_by", strings.Join(groups, ","))
		usage, err := api.Usage(ctx, q)
		if err != nil {
			return err
		}
		return c.print(usage, func(t *table) { showUsage(t, usage, groups) })
	})
	return c.printsAnswer(cmd)
}

func showUsage(t *table, usage *rest.Usage, groups []string) {
	var heads []string
	for _, g := range groups {
		heads = append(heads, strings.ToUpper(g))
	}
	t.row(append(heads, "REQUESTS")...)
	for _, row := range usage.Rows {
		var cells []string
		for _, g := range append(groups, "requests") {
			cells = append(cells, cellOf(row[g]))
		}
		t.row(cells...)
	}
	t.note("\nFrom %s to %s.", moment(usage.From), moment(usage.To))
}

func cellOf(v any) string {
	if n, ok := v.(float64); ok { // as JSON has numbers
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func (c *command) requests() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "Show logged requests and why each was admitted or refused",
		Args:  noArguments,
	}
	query := question(cmd, append(selection, [2]string{"request_id", "only the request with this id"},
		[2]string{"limit", "how many, at most 500"}, [2]string{"cursor", "next_cursor of the page before"})...)
	cmd.RunE = c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
		page, err := api.Requests(ctx, query())
		if err != nil {
			return err
		}
		return c.print(page, func(t *table) { showRequests(t, page) })
	})
	return c.printsAnswer(cmd)
}

func showRequests(t *table, page *rest.Page[rest.Request]) {
	t.row("TIME", "STATUS", "OUTCOME", "PARTNER", "APPLICATION", "ENVIRONMENT", "METHOD", "PATH", "LIMIT", "REQUEST ID")
	for _, r := range page.Items {
		t.row(moment(r.Time), strconv.Itoa(r.Status), r.Outcome, r.Partner, r.Application, r.Environment, r.Method, r.Path, r.Limit, r.RequestID)
	}
	if page.NextCursor != "" {
		t.note("\nThere are more: --cursor %s", page.NextCursor)
	}
}

func (c *command) proxies() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "proxies",
		Short: "List the proxies and by which policy version each decides",
		Args:  noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			proxies, err := api.Proxies(ctx)
			if err != nil {
				return err
			}
			return c.print(items(proxies), func(t *table) { showProxies(t, proxies) })
		}),
	}
	return c.printsAnswer(cmd)
}

func showProxies(t *table, proxies []rest.Proxy) {
	if len(proxies) == 0 {
		t.note("No proxy has reported yet.")
		return
	}
	t.row("ID", "LIVE", "POLICY VERSION", "POLICY AGE", "LAST SYNC")
	for _, p := range proxies {
		age := time.Duration(p.PolicyAgeSeconds * float64(time.Second)).Round(time.Second)
		live := "yes"
		if !p.Live {
			live = "no"
		}
		t.row(p.ID, live, strconv.FormatInt(p.PolicyVersion, 10), age.String(), moment(p.LastSync))
	}
}

func (c *command) version() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which build this is",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			build := buildOf()
			return c.print(build, func(t *table) {
				t.note("partnergate %s (%s, %s)", build.Version, firstOf(build.Revision, "unknown revision"), build.Go)
			})
		},
	}
	return c.printsAnswer(cmd)
}

// build tells what the toolchain wrote into the binary.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the sources
	Modified bool   `json:"modified,omitempty"` // the sources had changes beyond the revision
	Go       string `json:"go"`
}

func buildOf() build {
	b := build{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = firstOf(info.Main.Version, b.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
