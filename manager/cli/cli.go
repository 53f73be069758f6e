// Package cli is the command partnergate.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/server"
)

// Process is the surroundings of one run of the command.
type Process struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	// Executable is the folder of the program, where its wasm modules are.
	Executable string
}

// Wiring is what the program puts together for the commands that run servers, or
// use a store themselves.
type Wiring struct {
	Server server.Wiring
	// OpenBeside opens a store on which managers may run, OpenAlone one on which
	// none does: it refuses where one does, and warns where that is not known.
	OpenBeside func(ctx context.Context, url string) (manager.Store, error)
	OpenAlone  func(ctx context.Context, url string, warn func(string)) (manager.Store, error)
}

// Run runs the command and returns its exit code: 0 for success, 1 for failure,
// and 2 where diff finds differences, can-i a refusal or verify a disagreement.
// ctx ends what runs until it is stopped.
func Run(ctx context.Context, p Process, w Wiring) int {
	c := &command{process: p, wiring: w}
	root := c.root()
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	executed, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errVerdict):
		return 2 // the answer is out already
	}
	_, _ = fmt.Fprintf(p.Stderr, "Error: %s\n", strings.TrimRight(err.Error(), "\n"))
	var usage *usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") || strings.HasPrefix(err.Error(), "required flag") {
		_, _ = fmt.Fprintf(p.Stderr, "Run `%s --help` to see how it is used.\n", executed.CommandPath())
	}
	return 1
}

// errVerdict ends a command whose answer is no, with exit code 2.
var errVerdict = errors.New("the answer is no")

// usageError is a call that does not fit the command.
type usageError struct{ error }

// command holds what all commands share.
type command struct {
	process Process
	wiring  Wiring
	url     string
	output  string
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "partnergate",
		Short: "Give every partner its own catalog, limits and environments",
		Long: `Partnergate gives every partner of an API estate its own catalog, limits and environments,
and makes what the portal publishes and what the gateway enforces one and the same thing.

Commands that speak to a manager find it through PARTNERGATE_URL (default ` + defaultURL + `)
and PARTNERGATE_ADMIN_TOKEN.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.PersistentFlags().StringVar(&c.url, "url", "", "the manager's URL (PARTNERGATE_URL; default "+defaultURL+")")
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupPolicy, Title: "Policy:"},
		&cobra.Group{ID: groupPartners, Title: "Partners:"}, &cobra.Group{ID: groupSee, Title: "See what happens:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, sub := range commands {
			sub.GroupID = group
			root.AddCommand(sub)
		}
	}
	add(groupRun, c.serve(), c.demo(), c.gateway(), c.dump(), c.restore())
	add(groupPolicy, c.validate(), c.diff(), c.apply(), c.get(), c.deleteCommand(), c.export())
	add(groupPartners, c.keys(), c.members(), c.tokens())
	add(groupSee, c.usage(), c.requests(), c.proxies(), c.canI(), c.explain(), c.verify(), c.audit())
	root.AddCommand(c.version(), c.generate())
	c.completeFlags(root)
	return root
}

const (
	groupRun      = "run"
	groupPolicy   = "policy"
	groupPartners = "partners"
	groupSee      = "see"
)

const defaultURL = "http://" + server.DefaultListen

// client is a client of the manager that the environment names.
func (c *command) client() (*client.Client, error) {
	url := firstOf(c.url, c.process.Getenv("PARTNERGATE_URL"), defaultURL)
	token := c.process.Getenv(server.AdminTokenVariable)
	if token == "" {
		return nil, fmt.Errorf("%s is not set; set it to the admin token of the manager at %s", server.AdminTokenVariable, url)
	}
	return client.New(url, token)
}

// asks runs a command that speaks to the manager.
func (c *command) asks(run func(ctx context.Context, api *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		return run(cmd.Context(), api, args)
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// noArguments refuses arguments of commands that take none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		if cmd.HasSubCommands() {
			return &usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
		}
		return &usageError{fmt.Errorf("%q takes no arguments, but got %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	g.AddCommand(commands...)
	return g
}

// required marks flags that must be given.
func required(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // the flag is not declared: a mistake in this package
		}
	}
}
