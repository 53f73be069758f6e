package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
)

func (c *command) tokens() *cobra.Command {
	return group("tokens", "Make, list and revoke named tokens of the admin API", c.tokensCreate(), c.tokensList(), c.tokensRevoke())
}

func (c *command) tokensCreate() *cobra.Command {
	var role, expiresIn string
	var teams []string
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Make a token; it is shown once",
		Long: `Make a token of the admin API, for a person or a program of its own. It is shown once.

Roles: admin may do everything; operator everything but tokens; auditor reads everything;
support reads partners, usage and requests, suspends and resumes partners and subscriptions,
and revokes keys. With --team a token changes only products of that provider team and
subscriptions to these.`,
		Args: exactArguments(1, 1, "the NAME of the token"),
		RunE: c.asks(func(ctx context.Context, api *client.Client, args []string) error {
			token, err := api.CreateToken(ctx, args[0], manager.TokenRole(role), teams, expiresIn)
			if err != nil {
				return err
			}
			return c.print(token, func(t *table) { showNewToken(t, token) })
		}),
	}
	cmd.Flags().StringVar(&role, "role", "", "admin, operator, auditor or support")
	cmd.Flags().StringArrayVar(&teams, "team", nil, "confine it to products of this provider team; may be given several times")
	cmd.Flags().StringVar(&expiresIn, "expires-in", "", "how long it is valid, such as 720h or 30d; never expires without it")
	required(cmd, "role")
	var roles []string
	for _, r := range manager.TokenRoles {
		roles = append(roles, string(r))
	}
	complete(cmd, "role", roles...)
	return c.printsAnswer(cmd)
}

func showNewToken(t *table, token *manager.NewToken) {
	t.row("NAME", token.Name)
	t.row("TOKEN", token.Token)
	t.row("ROLE", string(token.Role))
	if len(token.Teams) > 0 {
		t.row("TEAMS", strings.Join(token.Teams, ", "))
	}
	if token.ExpiresAt != nil {
		t.row("EXPIRES", moment(*token.ExpiresAt))
	}
	t.note("\nKeep the token now: it is not shown again.")
}

func (c *command) tokensList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, also those that ended, without their secrets",
		Args:  noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			tokens, err := api.Tokens(ctx)
			if err != nil {
				return err
			}
			return c.print(items(tokens), func(t *table) {
				if len(tokens) == 0 {
					t.note("There are none but the manager's own.")
					return
				}
				t.row("NAME", "ROLE", "TEAMS", "STATE", "CREATED", "BY", "EXPIRES", "LAST USED")
				for _, k := range tokens {
					t.row(k.Name, string(k.Role), strings.Join(k.Teams, ", "), k.State, moment(k.CreatedAt), k.CreatedBy,
						optionalMoment(k.ExpiresAt), optionalMoment(k.LastUsedAt))
				}
			})
		}),
	}
	return c.printsAnswer(cmd)
}

func (c *command) tokensRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "revoke NAME",
		Short:             "End a token at once",
		Args:              exactArguments(1, 1, "the NAME of a token"),
		ValidArgsFunction: c.completeTokens(),
		RunE: c.asks(func(ctx context.Context, api *client.Client, args []string) error {
			if err := api.RevokeToken(ctx, args[0]); err != nil {
				return err
			}
			answer := struct {
				Name  string `json:"name"`
				State string `json:"state"`
			}{args[0], manager.CredentialRevoked}
			return c.print(answer, func(t *table) { t.note("The token %s is revoked.", args[0]) })
		}),
	}
	return c.printsAnswer(cmd)
}
