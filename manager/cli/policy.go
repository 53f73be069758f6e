package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/documents"
)

func (c *command) validate() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "validate -f PATH",
		Short: "Check resource files without a manager",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			read, err := documents.ReadPath(file, c.process.Stdin)
			if err != nil {
				return err
			}
			if err := manager.Validate(documents.Resources(read)); err != nil {
				return placed(err, read)
			}
			_, err = fmt.Fprintf(c.process.Stdout, "%s in %s: valid\n", count(len(read), "resource"), file)
			return err
		},
	}
	fileFlag(cmd, &file)
	return cmd
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func fileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "file, folder with all below it, or - for standard input")
	required(cmd, "file")
}

func (c *command) apply() *cobra.Command {
	var file string
	var options manager.ApplyOptions
	cmd := &cobra.Command{
		Use:   "apply -f PATH",
		Short: "Make the policy what files say, all or nothing",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			read, err := documents.ReadPath(file, c.process.Stdin)
			if err != nil {
				return err
			}
			done := c.slowly("Applying %s", count(len(read), "resource"))
			result, err := api.Apply(cmd.Context(), documents.Resources(read), options)
			done()
			if err != nil {
				return placed(err, read)
			}
			return c.print(result, func(t *table) { showApplied(t, result, options.DryRun) })
		},
	}
	fileFlag(cmd, &file)
	cmd.Flags().BoolVar(&options.Prune, "prune", false, "also delete what files own and these files no longer have")
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "show what would happen and change nothing")
	return c.printsAnswer(cmd)
}

func showApplied(t *table, result *manager.ApplyResult, dryRun bool) {
	t.row("KIND", "PARTNER", "NAME", "ACTION")
	for _, r := range result.Results {
		t.row(string(r.Kind), r.Partner, r.Name, string(r.Action))
	}
	if dryRun {
		t.note("\nDry run: nothing was changed. Policy version %d.", result.PolicyVersion)
		return
	}
	t.note("\nPolicy version %d.", result.PolicyVersion)
}

// placed gives the mistakes that err names the file and line of the resource
// that they are about, whether they were found here or by the manager.
func placed(err error, read []manager.Document) error {
	var p *client.Problem
	if errors.As(err, &p) {
		err = &manager.Error{Code: manager.CodeInvalid, Message: p.Detail, Fields: p.Errors}
	}
	return manager.Locate(err, read)
}

func (c *command) export() *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print all resources as YAML that apply reads",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			defer c.slowly("Reading all resources")()
			first := true
			for _, kind := range manager.Kinds {
				resources, err := listAll(cmd.Context(), api, kind, "")
				if err != nil {
					return err
				}
				for _, r := range resources {
					if err := c.writeDocument(r, first); err != nil {
						return err
					}
					first = false
				}
			}
			return nil
		},
	}
}

func (c *command) writeDocument(r manager.Resource, first bool) error {
	document, err := manager.WriteDocument(r)
	if err != nil {
		return err
	}
	if !first {
		document = append([]byte("---\n"), document...)
	}
	_, err = c.process.Stdout.Write(document)
	return err
}
