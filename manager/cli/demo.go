package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager/demo"
)

func (c *command) demo() *cobra.Command {
	o := demo.Options{Ports: demo.DefaultPorts}
	var offset int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run everything at once with a sample estate",
		Long: `Runs a manager with its portal, two sample upstreams and a gateway, with two partners to try it with.
Nothing leaves this machine; all data is kept in one folder.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(demo.Gateways, o.Gateway) {
				return &usageError{fmt.Errorf("the gateway %q is not known; it can be %s", o.Gateway, strings.Join(demo.Gateways, " or "))}
			}
			if !slices.Contains(envoyexamples.Examples, o.Example) {
				return &usageError{fmt.Errorf("the example %q is not known; it can be %s", o.Example, strings.Join(envoyexamples.Examples, ", "))}
			}
			o.Ports = o.Ports.Shift(offset)
			if offset != 0 && !cmd.Flags().Changed("data") {
				o.DataDir += fmt.Sprintf("-%d", offset) // the first demo has its keys in the other
			}
			o.Out, o.Progress = c.process.Stdout, c.process.Stderr
			o.Color = isTerminal(c.process.Stdout) && c.process.Getenv("NO_COLOR") == ""
			return demo.Run(cmd.Context(), o, c.wiring.Server)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.DataDir, "data", "data", "folder that keeps the demo's data between runs, of one demo at a time; with --port-offset 100 data-100")
	f.StringVar(&o.Store, "store", "", "another place for the data: mongodb starts a mongod in the folder; sqlite:///path/to/file.db; mongodb://…")
	f.StringVar(&o.Gateway, "gateway", demo.Embedded, "embedded (in this process) or envoy (the real one)")
	f.StringVar(&o.Example, "example", "quickstart", "what is shown: quickstart, hardened or quota-only; with Envoy also its configuration")
	f.StringVar(&o.ModulesDir, "modules", c.process.Executable, "folder of partnergate.wasm")
	f.IntVar(&o.Ports.Manager, "manager-port", o.Ports.Manager, "port of the manager and its portal; 0 is any free port, here and below")
	f.IntVar(&o.Ports.Gateway, "gateway-port", o.Ports.Gateway, "port of the gateway")
	f.IntVar(&o.Ports.Payments, "payments-port", o.Ports.Payments, "port of the payments upstream")
	f.IntVar(&o.Ports.Risk, "risk-port", o.Ports.Risk, "port of the risk upstream")
	f.IntVar(&o.Ports.EnvoyAdmin, "envoy-admin-port", o.Ports.EnvoyAdmin, "port of Envoy's admin interface")
	f.IntVar(&o.Ports.SecondManager, "second-manager-port", o.Ports.SecondManager, "port of the second manager, with MongoDB")
	f.IntVar(&o.Ports.MongoDB, "mongodb-port", o.Ports.MongoDB, "port of the mongod that --store mongodb starts")
	f.IntVar(&offset, "port-offset", 0, "added to all ports, and where --data is not given to the folder's name: for a second demo beside the first, which needs a folder of its own")
	complete(cmd, "gateway", demo.Gateways...)
	complete(cmd, "example", envoyexamples.Examples...)
	return cmd
}
