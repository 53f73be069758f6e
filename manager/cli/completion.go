package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
)

// completionTimeout bounds how long a shell waits for the manager.
const completionTimeout = 2 * time.Second

// completer offers words for what is typed; it has the arguments before it.
type completer = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// offering asks the manager for words. Where it does not answer there are none:
// a shell is no place for errors.
func (c *command) offering(list func(ctx context.Context, api *client.Client, cmd *cobra.Command, args []string) ([]string, error)) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		api, err := c.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		words, _ := list(ctx, api, cmd, args) // what there is until an error
		var fitting []string
		for _, word := range words {
			if strings.HasPrefix(word, typed) {
				fitting = append(fitting, word)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

// flagValue is the value of a flag that is typed already; empty without one.
func flagValue(cmd *cobra.Command, name string) string {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// completeResources offers kinds, then names of the kind.
func (c *command) completeResources(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return plurals, cobra.ShellCompDirectiveNoFileComp
	case 1:
		if kind, err := readKind(args[0]); err == nil {
			return c.completeNames(kind)(cmd, args, typed)
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeNames offers the names of a kind; for what partners own those of --partner.
func (c *command) completeNames(kind manager.Kind) completer {
	return c.offering(func(ctx context.Context, api *client.Client, cmd *cobra.Command, _ []string) ([]string, error) {
		partner := ""
		if ownedByPartner(kind) {
			if partner = flagValue(cmd, "partner"); partner == "" {
				return nil, nil
			}
		}
		resources, err := api.Resources(ctx, kind, partner)
		names := make([]string, len(resources))
		for i, r := range resources {
			names[i] = r.Meta().Name
		}
		return names, err
	})
}

// completeMembers offers the members of --partner.
func (c *command) completeMembers() completer {
	return c.offering(func(ctx context.Context, api *client.Client, cmd *cobra.Command, _ []string) ([]string, error) {
		partner := flagValue(cmd, "partner")
		if partner == "" {
			return nil, nil
		}
		members, err := api.Members(ctx, partner)
		emails := make([]string, len(members))
		for i, m := range members {
			emails[i] = m.Email
		}
		return emails, err
	})
}

// completeTokens offers the tokens that have not ended.
func (c *command) completeTokens() completer {
	return c.offering(func(ctx context.Context, api *client.Client, _ *cobra.Command, args []string) ([]string, error) {
		if len(args) > 0 {
			return nil, nil
		}
		tokens, err := api.Tokens(ctx)
		var names []string
		for _, t := range tokens {
			if t.State == manager.CredentialActive {
				names = append(names, t.Name+"\t"+string(t.Role))
			}
		}
		return names, err
	})
}

// maxCompletedPartners bounds how many partners are asked for their keys.
const maxCompletedPartners = 100

// completeKeys offers the ids of keys, with what each is.
func (c *command) completeKeys(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.offering(func(ctx context.Context, api *client.Client, _ *cobra.Command, _ []string) ([]string, error) {
		partners, err := api.Resources(ctx, manager.KindPartner, "")
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, p := range partners[:min(len(partners), maxCompletedPartners)] {
			keys, err := api.Keys(ctx, p.Meta().Name, "")
			if err != nil {
				return ids, err
			}
			for _, k := range keys {
				if k.State == manager.CredentialActive || k.State == manager.CredentialExpiring {
					ids = append(ids, k.ID+"\t"+k.Partner+"/"+k.Application+" in "+k.Environment)
				}
			}
		}
		return ids, nil
	})(cmd, args, typed)
}

// completeFlags offers words for the flags that mean the same in all commands.
func (c *command) completeFlags(root *cobra.Command) {
	byFlag := map[string]completer{
		"partner":     c.completeNames(manager.KindPartner),
		"application": c.completeNames(manager.KindApplication),
		"environment": c.completeNames(manager.KindEnvironment),
		"product":     c.completeNames(manager.KindProduct),
		"key": func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return c.completeKeys(cmd, nil, typed)
		},
		"outcome": completeOutcomes,
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for name, offer := range byFlag {
			if _, has := cmd.GetFlagCompletionFunc(name); cmd.Flags().Lookup(name) != nil && !has {
				if err := cmd.RegisterFlagCompletionFunc(name, offer); err != nil {
					panic(err) // the flag is there, and has none yet
				}
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

func completeOutcomes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	words := []string{policy.Admitted.String()}
	for _, code := range policy.Refusals() {
		words = append(words, code.String())
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
