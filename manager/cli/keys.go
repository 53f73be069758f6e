package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/rest"
)

func (c *command) keys() *cobra.Command {
	return group("keys", "Make, list, rotate, revoke and import keys", c.keysCreate(), c.keysList(), c.keysRotate(), c.keysRevoke(), c.keysImport())
}

func (c *command) keysCreate() *cobra.Command {
	var partner, application, environment, expiresIn string
	var w waiting
	cmd := &cobra.Command{
		Use:   "create --partner P --application A --environment E",
		Short: "Make a key; it is shown once",
		Args:  noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			key, err := api.CreateKey(ctx, partner, application, environment, expiresIn)
			if err != nil {
				return err
			}
			if err := c.printKey(key); err != nil || !w.wanted { // before it waits: the key is shown nowhere else
				return err
			}
			if err := c.awaitProxies(ctx, api, key.PolicyVersion, w.timeout); err != nil {
				return fmt.Errorf("the key %s is made, but %w", key.ID, err)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&partner, "partner", "", "partner that the key identifies")
	cmd.Flags().StringVar(&application, "application", "", "application that uses the key")
	cmd.Flags().StringVar(&environment, "environment", "", "environment that the key belongs to, such as sandbox")
	cmd.Flags().StringVar(&expiresIn, "expires-in", "", "how long the key is valid, such as 720h or 30d; never expires without it")
	w.flags(cmd, "until all live proxies know it")
	required(cmd, "partner", "application", "environment")
	return c.printsAnswer(cmd)
}

func (c *command) printKey(key *manager.NewKey) error {
	return c.print(key, func(t *table) {
		t.row("ID", key.ID)
		t.row("KEY", key.Key)
		t.row("ENVIRONMENT", key.Environment)
		if key.ExpiresAt != nil {
			t.row("EXPIRES", moment(*key.ExpiresAt))
		}
		t.note("\nKeep the key now: it is not shown again. Policy version %d.", key.PolicyVersion)
	})
}

func (c *command) keysList() *cobra.Command {
	var partner, application string
	cmd := &cobra.Command{
		Use:   "list --partner P",
		Short: "List the keys of a partner, without their secrets",
		Args:  noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			keys, err := api.Keys(ctx, partner, application)
			if err != nil {
				return err
			}
			return c.print(items(keys), func(t *table) { showKeys(t, keys) })
		}),
	}
	cmd.Flags().StringVar(&partner, "partner", "", "partner whose keys to list")
	cmd.Flags().StringVar(&application, "application", "", "only those of this application")
	required(cmd, "partner")
	return c.printsAnswer(cmd)
}

// items is the form of a list in JSON and YAML.
func items[T any](list []T) any {
	if list == nil {
		list = []T{}
	}
	return struct {
		Items []T `json:"items"`
	}{list}
}

func showKeys(t *table, keys []rest.Key) {
	if len(keys) == 0 {
		t.note("There are none.")
		return
	}
	t.row("ID", "APPLICATION", "ENVIRONMENT", "STATE", "CREATED", "EXPIRES", "LAST USED")
	for _, k := range keys {
		t.row(k.ID, k.Application, k.Environment, k.State, moment(k.CreatedAt), optionalMoment(k.ExpiresAt), optionalMoment(k.LastUsedAt))
	}
}

func (c *command) keysRotate() *cobra.Command {
	var overlap string
	cmd := &cobra.Command{
		Use:               "rotate ID",
		Short:             "Make the key that replaces another, which stays valid for a while",
		Args:              exactArguments(1, 1, "the ID of a key"),
		ValidArgsFunction: c.completeKeys,
		RunE: c.asks(func(ctx context.Context, api *client.Client, args []string) error {
			key, err := api.RotateKey(ctx, args[0], overlap)
			if err != nil {
				return err
			}
			return c.printKey(key)
		}),
	}
	cmd.Flags().StringVar(&overlap, "overlap", "24h", "how long the old key stays valid")
	return c.printsAnswer(cmd)
}

func (c *command) keysRevoke() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:               "revoke ID",
		Short:             "End a key at once",
		Args:              exactArguments(1, 1, "the ID of a key"),
		ValidArgsFunction: c.completeKeys,
		RunE: c.asks(func(ctx context.Context, api *client.Client, args []string) error {
			version, err := api.RevokeKey(ctx, args[0])
			if err != nil {
				return err
			}
			if !w.wanted {
				return c.printVersion(version, "The key %s is revoked.", args[0])
			}
			if err := c.awaitProxies(ctx, api, version, w.timeout); err != nil {
				return fmt.Errorf("the key %s is revoked, but %w", args[0], err)
			}
			return c.printVersion(version, "The key %s is revoked; all live proxies refuse it.", args[0])
		}),
	}
	w.flags(cmd, "until all live proxies refuse it")
	return c.printsAnswer(cmd)
}

// waiting is whether a command waits for the proxies, and for how long.
type waiting struct {
	wanted  bool
	timeout time.Duration
}

func (w *waiting) flags(cmd *cobra.Command, until string) {
	cmd.Flags().BoolVar(&w.wanted, "wait", false, until)
	cmd.Flags().DurationVar(&w.timeout, "timeout", time.Minute, "with --wait: how long to wait before giving up")
}

// longestWait is how long one call may wait at the manager.
const longestWait = 25 * time.Second

// awaitProxies returns once all live proxies decide by version, or an error that names the others.
func (c *command) awaitProxies(ctx context.Context, api *client.Client, version int64, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	step := time.Second // a first short wait, after which a person is told
	for {
		behind, err := api.Acknowledged(ctx, version, min(step, longestWait, max(time.Until(deadline), 0)))
		if err != nil || len(behind) == 0 {
			return err
		}
		var names []string
		for _, p := range behind {
			names = append(names, p.ID)
		}
		if time.Until(deadline) < time.Second {
			return fmt.Errorf("%s still decide by an older policy after %s: %s; see `partnergate proxies`",
				count(len(behind), "proxy process"), timeout, strings.Join(names, ", "))
		}
		if step == time.Second {
			defer c.slowly("Waiting for %s", strings.Join(names, ", "))()
		}
		step = longestWait
	}
}
