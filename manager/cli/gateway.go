package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager/gateway"
	"github.com/partnergate/partnergate/manager/server"
)

func (c *command) gateway() *cobra.Command {
	o := gateway.Options{}
	var upstreams []string
	var managerURL string
	cmd := &cobra.Command{
		Use:   "gateway --upstream PREFIX=URL",
		Short: "Run the filters as a local reverse proxy, without Envoy",
		Long: `Runs the wasm filters behind a small host in this process: the same decisions as in Envoy, for trying things out.
It takes the policy from a manager, to which it shows the token in ` + server.EdgeTokenVariable + `.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.EdgeToken, _, _ = strings.Cut(c.process.Getenv(server.EdgeTokenVariable), ",") // the list for rotation: any will do
			if o.EdgeToken == "" {
				return fmt.Errorf("%s is not set; set it to an edge token of the manager", server.EdgeTokenVariable)
			}
			for _, given := range upstreams {
				u, err := gateway.ParseUpstream(given)
				if err != nil {
					return &usageError{err}
				}
				o.Upstreams = append(o.Upstreams, u)
			}
			o.ManagerURL = firstOf(managerURL, c.url, c.process.Getenv("PARTNERGATE_URL"), defaultURL)
			o.Logger = c.logger("", slog.LevelInfo)
			return c.runGateway(cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:10000", "address to listen on, host:port")
	f.StringVar(&managerURL, "manager", "", "the manager's URL (PARTNERGATE_URL; default "+defaultURL+")")
	f.StringArrayVar(&upstreams, "upstream", nil, "where requests go by path prefix, such as /payments=http://127.0.0.1:9001; can be repeated")
	f.StringVar(&o.ModulesDir, "modules", c.process.Executable, "folder of partnergate.wasm")
	f.StringVar(&o.CacheDir, "cache", "", "folder that keeps compiled filters, for faster starts")
	f.StringVar(&o.NodeID, "node", "", "name of this gateway among the manager's proxies (default: the host's name)")
	required(cmd, "upstream")
	return cmd
}

func (c *command) runGateway(cmd *cobra.Command, o gateway.Options) error {
	g, err := gateway.Start(cmd.Context(), o)
	if err != nil {
		return err
	}
	o.Logger.Info("gateway is serving", "address", g.Address(), "manager", o.ManagerURL)
	select {
	case <-cmd.Context().Done():
		return g.Stop()
	case <-g.Done():
		return errors.Join(errors.New("the gateway has stopped serving"), g.Stop())
	}
}
