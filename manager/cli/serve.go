package cli

import (
	"log/slog"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/partnergate/partnergate/manager/server"
	"github.com/partnergate/partnergate/manager/telemetry"
)

func (c *command) serve() *cobra.Command {
	settings := server.Settings{Traces: server.TracesWanted(c.process.Getenv)}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the manager: admin API, portal, and the policy for proxies",
		Long: `Runs the manager. Each setting is a flag or an environment variable; the flag wins.
Give tokens by variable: other users of the machine can see flags.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return server.Run(cmd.Context(), settings, c.wiring.Server, c.logger(settings.LogFormat, settings.Level()))
		},
	}
	get := c.process.Getenv
	f := cmd.Flags()
	setting(f, &settings.Listen, "listen", server.ListenVariable, firstOf(get(server.ListenVariable), server.DefaultListen), "address to listen on, host:port")
	setting(f, &settings.MetricsListen, "metrics-listen", server.MetricsListenVariable, get(server.MetricsListenVariable), "address to serve /metrics on, host:port, and nowhere else; without it with the rest")
	setting(f, &settings.Store, "store", server.StoreVariable, firstOf(get(server.StoreVariable), server.DefaultStore(get)), "where everything is kept: sqlite:///path/to/file.db or mongodb://host/database?replicaSet=rs0")
	hidePassword(f.Lookup("store"))
	setting(f, &settings.PublicURL, "public-url", server.PublicURLVariable, get(server.PublicURLVariable), "URL at which browsers find the portal; https makes its cookies secure")
	setting(f, &settings.ModulesDir, "modules", server.ModulesVariable, firstOf(get(server.ModulesVariable), c.process.Executable), "folder of the wasm modules to serve under /wasm/")
	setting(f, &settings.TrustedProxies, "trusted-proxies", server.TrustedProxiesVariable, get(server.TrustedProxiesVariable), "addresses and networks of proxies in front of the manager, whose X-Forwarded-For is believed")
	setting(f, &settings.AuditRetention, "audit-retention", server.AuditRetentionVariable, firstOf(get(server.AuditRetentionVariable), server.DefaultAuditRetention), "how long entries of the audit log are kept, such as 400d; 0: for ever")
	setting(f, &settings.LogLevel, "log-level", server.LogLevelVariable, firstOf(get(server.LogLevelVariable), "info"), "debug, info, warn or error")
	setting(f, &settings.LogFormat, "log-format", server.LogFormatVariable, get(server.LogFormatVariable), "json or text; without it text on a terminal, else json")
	secret(f, &settings.AdminToken, "admin-token", server.AdminTokenVariable, get, "token of the admin API, at least 32 characters")
	secret(f, &settings.EdgeToken, "edge-token", server.EdgeTokenVariable, get, "tokens of the proxies, separated by commas, each at least 32 characters")
	complete(cmd, "log-level", "debug", "info", "warn", "error")
	complete(cmd, "log-format", telemetry.Formats...)
	return cmd
}

// hidePassword keeps what may hold a password out of the help: a store that is no file.
func hidePassword(flag *pflag.Flag) {
	if !strings.HasPrefix(flag.DefValue, "sqlite://") {
		flag.DefValue = ""
	}
}

// setting is a flag whose default is what the environment says.
func setting(f *pflag.FlagSet, target *string, name, variable, value, usage string) {
	f.StringVar(target, name, value, usage+" ("+variable+")")
}

// secret is a flag whose default help must not show.
func secret(f *pflag.FlagSet, target *string, name, variable string, get func(string) string, usage string) {
	setting(f, target, name, variable, get(variable), usage)
	f.Lookup(name).DefValue = ""
}

// logger writes in a format; without one for people on a terminal, and JSON for machines elsewhere.
func (c *command) logger(format string, level slog.Level) *slog.Logger {
	if format == "" && isTerminal(c.process.Stderr) {
		format = telemetry.Text
	}
	return telemetry.NewLogger(c.process.Stderr, format, level)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
