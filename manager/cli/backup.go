package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/backup"
	"github.com/partnergate/partnergate/manager/server"
)

func (c *command) dump() *cobra.Command {
	var store, file string
	cmd := &cobra.Command{
		Use:   "dump --store URL [-o FILE]",
		Short: "Write a backup of a store",
		Long: `Writes all that a store must not lose to a file: policy with the digests of keys, people, tokens, audit log, usage,
request log, and what is granted of limits. It reads the store itself, not through a manager; one may run meanwhile.
The file holds password hashes, digests and names: keep it as safe as the store.`,
		Example: `  partnergate dump --store mongodb://db:27017/partnergate?replicaSet=rs0 -o partnergate.jsonl`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path, ok := strings.CutPrefix(store, "sqlite://"); ok {
				if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("there is no store at %s", filepath.Clean(path))
				}
			}
			return c.withStore(cmd.Context(), store, c.wiring.OpenBeside, func(s manager.Store) error {
				summary, err := c.writeDump(cmd.Context(), s, file)
				if err == nil {
					c.tell("Written", summary)
				}
				return err
			})
		},
	}
	c.storeFlag(cmd, &store)
	cmd.Flags().StringVarP(&file, "output", "o", "", "file to write; standard output without it")
	return cmd
}

// writeDump makes the file whole or not at all.
func (c *command) writeDump(ctx context.Context, store manager.Store, file string) (summary backup.Summary, err error) {
	if file == "" {
		return backup.Dump(ctx, store, c.process.Stdout, time.Now())
	}
	part, err := os.OpenFile(file+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return summary, fmt.Errorf("write the backup: %w; choose another file with -o", err)
	}
	summary, err = backup.Dump(ctx, store, part, time.Now())
	if err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return summary, errors.Join(err, os.Remove(part.Name()))
	}
	return summary, os.Rename(part.Name(), file)
}

func (c *command) restore() *cobra.Command {
	var store string
	var force bool
	cmd := &cobra.Command{
		Use:   "restore --store URL FILE",
		Short: "Read a backup into an empty store",
		Long: `Reads what dump wrote into a store of any kind, after checking that the file is whole. No manager may run on the store:
restore refuses where it finds one. The store gets a lineage of its own: proxies follow it, even where its policy version is lower than theirs.`,
		Example: `  partnergate restore --store sqlite:///var/lib/partnergate/partnergate.db partnergate.jsonl`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, arguments []string) error {
			file, err := os.Open(arguments[0])
			if err != nil {
				return fmt.Errorf("read the backup: %w", err)
			}
			defer func() { _ = file.Close() }() // only read
			return c.withStore(cmd.Context(), store, c.openAlone, func(s manager.Store) error {
				summary, err := backup.Restore(cmd.Context(), s, file, force)
				if err == nil {
					c.tell("Restored", summary)
				}
				return err
			})
		},
	}
	c.storeFlag(cmd, &store)
	cmd.Flags().BoolVar(&force, "force", false, "delete what is in the store")
	return cmd
}

func (c *command) storeFlag(cmd *cobra.Command, store *string) {
	get := c.process.Getenv
	setting(cmd.Flags(), store, "store", server.StoreVariable, get(server.StoreVariable), "sqlite:///path/to/file.db or mongodb://…")
	hidePassword(cmd.Flags().Lookup("store"))
}

// withStore opens a store for as long as it is used.
func (c *command) withStore(ctx context.Context, url string, open func(context.Context, string) (manager.Store, error), use func(manager.Store) error) error {
	if url == "" {
		return &usageError{fmt.Errorf("no store is given; name it with --store or %s", server.StoreVariable)}
	}
	defer c.slowly("Reading and writing")()
	store, err := open(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(use(store), store.Close())
}

func (c *command) openAlone(ctx context.Context, url string) (manager.Store, error) {
	return c.wiring.OpenAlone(ctx, url, func(warning string) {
		_, _ = fmt.Fprintln(c.process.Stderr, "Warning: "+warning)
	})
}

// tell goes to standard error: standard output may be the backup.
func (c *command) tell(what string, s backup.Summary) {
	_, _ = fmt.Fprintf(c.process.Stderr, "%s: policy version %d with %d resources, %d accounts, %d tokens, %d audit entries, %d rows of usage, %d requests\n",
		what, s.Head.PolicyVersion, s.Lines["resource"], s.Lines["account"], s.Lines["admin_token"], s.Lines["audit"], s.Lines["usage"], s.Lines["request"])
}
