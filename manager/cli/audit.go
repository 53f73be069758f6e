package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/rest"
)

func (c *command) audit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who changed what, when and from where, newest first",
		Long: `Show who changed what, when and from where, newest first. What a resource was before
and after stands in the answer of -o json and -o yaml.`,
		Args: noArguments,
	}
	query := question(cmd, [][2]string{
		{"actor", "only changes by this token or member"},
		{"kind", "only this kind, such as Subscription, Credential, Member or Token"},
		{"partner", "only this partner"},
		{"name", "only what has this name"},
		{"from", "from this time on: 2026-01-31T12:00:00Z, or -1h, -7d"},
		{"to", "before this time"},
		{"limit", "how many, at most 500"},
		{"cursor", "next_cursor of the page before"},
	}...)
	cmd.RunE = c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
		page, err := api.Audit(ctx, query())
		if err != nil {
			return err
		}
		return c.print(page, func(t *table) { showAudit(t, page) })
	})
	return c.printsAnswer(cmd)
}

func showAudit(t *table, page *rest.Page[rest.AuditEntry]) {
	if len(page.Items) == 0 {
		t.note("Nothing was changed.")
		return
	}
	t.row("TIME", "ACTOR", "FOR", "FROM", "ACTION", "KIND", "NAME", "POLICY VERSION", "REQUEST ID")
	for _, e := range page.Items {
		name := e.Name
		if e.Partner != "" && e.Partner != e.Name {
			name = strings.Join([]string{e.Partner, e.Name}, "/")
		}
		version := ""
		if e.PolicyVersion > 0 {
			version = strconv.FormatInt(e.PolicyVersion, 10)
		}
		t.row(moment(e.Time), e.Actor, string(e.OnBehalfOf), e.Address, e.Action, string(e.Kind), name, version, e.RequestID)
	}
	if page.NextCursor != "" {
		t.note("\nThere are more: --cursor %s", page.NextCursor)
	}
}
