package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager/estate"
)

// generate is for measuring and trying out, so that the list of commands does not show it.
func (c *command) generate() *cobra.Command {
	size, folder := estate.Large, ""
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write an estate of any size, with keys, to measure and try with",
		Long: `Write an estate of any size: resources below policy/ for apply, keys.csv for keys import, and secrets.csv with the keys themselves.
Equal flags give equal files, keys included: never import such keys where it matters.`,
		Hidden: true,
		Args:   noArguments,
		RunE: func(*cobra.Command, []string) error {
			made, err := estate.Generate(size)
			if err != nil {
				return &usageError{err}
			}
			done := c.slowly("Writing %s", count(len(made.Resources), "resource"))
			err = made.Write(folder)
			done()
			if err != nil {
				return fmt.Errorf("write the estate: %w", err)
			}
			_, err = fmt.Fprintf(c.process.Stdout, "%s and %s in %s\n", count(len(made.Resources), "resource"), count(len(made.Keys), "key"), folder)
			return err
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&size.Partners, "partners", size.Partners, "partners")
	flags.IntVar(&size.Products, "products", size.Products, "products")
	flags.IntVar(&size.Operations, "operations", size.Operations, "operations of each product")
	flags.IntVar(&size.Subscriptions, "subscriptions", size.Subscriptions, "subscriptions of all partners together")
	flags.IntVar(&size.Keys, "keys", size.Keys, "keys of all partners together")
	flags.Uint64Var(&size.Seed, "seed", size.Seed, "what all that looks random is drawn from")
	flags.StringVarP(&folder, "output", "o", "estate", "folder to write to")
	return cmd
}
