package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/documents"
)

func (c *command) deleteCommand() *cobra.Command {
	var partner, file string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "delete KIND NAME | -f PATH",
		Short: "Delete resources that no others need",
		Long: `Deletes one resource, or with -f all that files name, all or nothing and whoever manages them.
What others need stays, with an error that names those. The environments sandbox and production always exist: with -f they lose their contents.`,
		Example: `  partnergate delete application checkout --partner acme
  partnergate delete -f policy/acme.yaml --dry-run`,
		ValidArgsFunction: c.completeResources,
		Args: func(cmd *cobra.Command, args []string) error {
			if file != "" && len(args) > 0 {
				return &usageError{errors.New("give KIND and NAME, or -f, not both")}
			}
			if file != "" {
				return nil
			}
			return exactArguments(2, 2, "KIND NAME, or -f PATH")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" {
				return c.deleteFile(cmd, file, partner, dryRun)
			}
			if dryRun {
				return &usageError{errors.New("--dry-run goes with -f")}
			}
			return c.deleteOne(cmd, args, partner)
		},
	}
	cmd.Flags().StringVar(&partner, "partner", "", "partner that owns the application or subscription")
	cmd.Flags().VarP((*onePath)(&file), "file", "f", "delete what this file or folder names; - for standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "with -f: show what would happen and change nothing")
	return c.printsAnswer(cmd)
}

func (c *command) deleteOne(cmd *cobra.Command, args []string, partner string) error {
	ref, err := readRef(args, partner)
	if err != nil {
		return err
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	version, err := api.Delete(cmd.Context(), ref)
	if err != nil {
		return err
	}
	return c.printVersion(version, "%s %s is deleted.", ref.Kind, ref.Name)
}

func (c *command) deleteFile(cmd *cobra.Command, file, partner string, dryRun bool) error {
	if partner != "" {
		return &usageError{errors.New("files name the partners; leave --partner out")}
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	read, err := documents.ReadPath(file, c.process.Stdin)
	if err != nil {
		return err
	}
	refs := make([]manager.Ref, len(read))
	for i, d := range read {
		refs[i] = d.Resource.Ref()
	}
	done := c.slowly("Deleting %s", count(len(refs), "resource"))
	result, err := api.DeleteAll(cmd.Context(), refs, dryRun)
	done()
	if err != nil {
		return placed(err, read)
	}
	return c.print(result, func(t *table) { showApplied(t, result, dryRun) })
}
