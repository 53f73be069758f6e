package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/rest"
)

func (c *command) members() *cobra.Command {
	return group("members", "Invite and remove people of a partner, and let them log in",
		c.membersInvite(), c.membersRemove(), c.membersSetPassword(), c.membersUnlock(), c.membersList())
}

func (c *command) membersInvite() *cobra.Command {
	var partner, email, role string
	cmd := &cobra.Command{
		Use:   "invite --partner P --email E",
		Short: "Make somebody a member of a partner, or change their role",
		Long: `Make somebody a member of a partner, or change their role. Who has no password yet gets a link
that sets one, which is shown once and works once: pass it on. Who has one logs in with it.`,
		Args: noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			member, err := api.InviteMember(ctx, partner, email, manager.Role(role))
			if err != nil {
				return err
			}
			return c.print(member, func(t *table) { showInvited(t, partner, member) })
		}),
	}
	memberFlags(cmd, &partner, &email)
	cmd.Flags().StringVar(&role, "role", string(manager.RoleDeveloper), "admin, developer or viewer")
	complete(cmd, "role", string(manager.RoleAdmin), string(manager.RoleDeveloper), string(manager.RoleViewer))
	return c.printsAnswer(cmd)
}

func showInvited(t *table, partner string, m *rest.Member) {
	t.note("%s is %s of %s.", m.Email, m.Role, partner)
	if m.Invitation == nil {
		t.note("They log in with the password that they have; if it may be somebody else's, set one with `partnergate members set-password`.")
		return
	}
	t.note("Give them this link, with which they set their password. It works once, until %s:\n%s",
		moment(m.Invitation.ExpiresAt), m.Invitation.Link)
}

func (c *command) membersRemove() *cobra.Command {
	var partner, email string
	cmd := &cobra.Command{
		Use:   "remove --partner P --email E",
		Short: "End somebody's membership or invitation at once",
		Long: `End somebody's membership at once, or the invitation of somebody who has not joined yet. Links
that the member has made end too. Keys stay: they are the partner's.`,
		Args: noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			if err := api.RemoveMember(ctx, partner, email); err != nil {
				return err
			}
			answer := map[string]string{"partner": partner, "email": email}
			return c.print(answer, func(t *table) { t.note("%s is no longer a member of %s.", email, partner) })
		}),
	}
	memberFlags(cmd, &partner, &email)
	if err := cmd.RegisterFlagCompletionFunc("email", c.completeMembers()); err != nil {
		panic(err) // the flag is there
	}
	return c.printsAnswer(cmd)
}

func (c *command) membersUnlock() *cobra.Command {
	var email, address string
	cmd := &cobra.Command{
		Use:   "unlock (--email E | --address A)",
		Short: "Let somebody log in again after too many wrong passwords",
		Long: `Forget wrong passwords, so that who is refused because of too many can try again at once: those of
one member from everywhere, or those of everybody from one IP address.`,
		Args: noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			failures, err := api.UnlockLogin(ctx, email, address)
			if err != nil {
				return err
			}
			return c.print(rest.Unlocked{Failures: failures}, func(t *table) {
				t.note("%d failed logins of %s are forgotten.", failures, firstOf(email, address))
			})
		}),
	}
	cmd.Flags().StringVar(&email, "email", "", "email address of the member")
	cmd.Flags().StringVar(&address, "address", "", "IP address from which logins have failed")
	cmd.MarkFlagsOneRequired("email", "address")
	cmd.MarkFlagsMutuallyExclusive("email", "address")
	return c.printsAnswer(cmd)
}

func memberFlags(cmd *cobra.Command, partner, email *string) {
	cmd.Flags().StringVar(partner, "partner", "", "partner of the member")
	cmd.Flags().StringVar(email, "email", "", "email address of the member")
	required(cmd, "partner", "email")
}

func (c *command) membersSetPassword() *cobra.Command {
	var partner, email string
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "set-password --partner P --email E --password-stdin",
		Short: "Set the password with which a member logs into the portal",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !fromStdin {
				return &usageError{errors.New("a password on the command line could be seen by others; write it to standard input and give --password-stdin")}
			}
			api, err := c.client()
			if err != nil {
				return err
			}
			password, err := readPassword(c.process.Stdin)
			if err != nil {
				return err
			}
			if err := api.SetPassword(cmd.Context(), partner, email, password); err != nil {
				return err
			}
			answer := map[string]string{"partner": partner, "email": email}
			return c.print(answer, func(t *table) { t.note("The password of %s is set.", email) })
		},
	}
	memberFlags(cmd, &partner, &email)
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from standard input")
	return c.printsAnswer(cmd)
}

// readPassword reads all of in and drops one trailing newline.
func readPassword(in io.Reader) (string, error) {
	given, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(given), "\n"), "\r")
	if password == "" {
		return "", errors.New("standard input is empty; write the password to it, such as: printf %s \"$PASSWORD\" | partnergate members set-password …")
	}
	return password, nil
}

func (c *command) membersList() *cobra.Command {
	var partner string
	cmd := &cobra.Command{
		Use:   "list --partner P",
		Short: "List the members of a partner, and who is invited",
		Args:  noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			members, err := api.Members(ctx, partner)
			if err != nil {
				return err
			}
			return c.print(items(members), func(t *table) {
				t.row("EMAIL", "ROLE", "STATE", "SINCE", "LAST LOGIN", "LINK ENDS")
				for _, m := range members {
					ends := ""
					if m.Invitation != nil {
						ends = moment(m.Invitation.ExpiresAt)
					}
					t.row(m.Email, string(m.Role), string(m.State), moment(m.CreatedAt), optionalMoment(m.LastLoginAt), ends)
				}
			})
		}),
	}
	cmd.Flags().StringVar(&partner, "partner", "", "partner whose members to list")
	required(cmd, "partner")
	return c.printsAnswer(cmd)
}
