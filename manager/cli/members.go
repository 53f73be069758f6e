package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
)

func (c *command) members() *cobra.Command {
	return group("members", "Invite people of a partner and set their passwords",
		c.membersInvite(), c.membersSetPassword(), c.membersList())
}

func (c *command) membersInvite() *cobra.Command {
	var partner, email, role string
	cmd := &cobra.Command{
		Use:   "invite --partner P --email E",
		Short: "Make somebody a member of a partner, or change their role",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			member, err := api.InviteMember(cmd.Context(), partner, email, manager.Role(role))
			if err != nil {
				return err
			}
			return c.print(member, func(t *table) { t.note("%s is %s of %s.", member.Email, member.Role, partner) })
		},
	}
	memberFlags(cmd, &partner, &email)
	cmd.Flags().StringVar(&role, "role", string(manager.RoleDeveloper), "admin, developer or viewer")
	complete(cmd, "role", string(manager.RoleAdmin), string(manager.RoleDeveloper), string(manager.RoleViewer))
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
		Short: "List the members of a partner",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			members, err := api.Members(cmd.Context(), partner)
			if err != nil {
				return err
			}
			return c.print(items(members), func(t *table) {
				t.row("EMAIL", "ROLE", "SINCE")
				for _, m := range members {
					t.row(m.Email, string(m.Role), moment(m.CreatedAt))
				}
			})
		},
	}
	cmd.Flags().StringVar(&partner, "partner", "", "partner whose members to list")
	required(cmd, "partner")
	return c.printsAnswer(cmd)
}
