package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/documents"
	"github.com/partnergate/partnergate/manager/server"
)

func (c *command) validate() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "validate -f PATH",
		Short: "Check resource files without a manager",
		Long: `Checks files by themselves and against each other, without a manager: for a pipeline, or before a commit.
What refers to a resource that is not among the files is left to diff and apply.`,
		Example: `  partnergate validate -f policy/`,
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			read, err := documents.ReadPath(file, c.process.Stdin)
			if err != nil {
				return err
			}
			if err := manager.Validate(documents.Resources(read)); err != nil {
				return placed(err, read)
			}
			answer := struct {
				Valid     bool `json:"valid"`
				Resources int  `json:"resources"`
			}{true, len(read)}
			return c.print(answer, func(t *table) { t.note("%s in %s: valid", count(len(read), "resource"), file) })
		},
	}
	fileFlag(cmd, &file)
	return c.printsAnswer(cmd)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func fileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().VarP((*onePath)(file), "file", "f", "file, folder with all below it, or - for standard input")
	required(cmd, "file")
}

// onePath is a flag that is given once: of two, one would be passed over, and with --prune be deleted.
type onePath string

// String, Set and Type implement pflag.Value.
func (p *onePath) String() string { return string(*p) }

func (p *onePath) Set(path string) error {
	if *p != "" {
		return fmt.Errorf("it was given as %s already; put the files into one folder", *p)
	}
	*p = onePath(path)
	return nil
}

func (p *onePath) Type() string { return "string" }

func (c *command) apply() *cobra.Command {
	var file string
	var options manager.ApplyOptions
	cmd := &cobra.Command{
		Use:   "apply -f PATH",
		Short: "Make the policy what files say, all or nothing",
		Long: `Makes the resources that files name what they say, and the files their owner. All or nothing: a single mistake, told with file, line, field
and remedy, leaves everything as it is, however many resources there are. What files do not name is left alone; with --prune, what
files own and these no longer name is deleted. Members named in a file are invited, and never removed.`,
		Example: `  partnergate apply -f policy/ --dry-run --prune
  partnergate export | partnergate apply -f -`,
		Args: noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			done := c.slowly("Reading %s", file)
			read, err := documents.ReadPath(file, c.process.Stdin)
			done()
			if err != nil {
				return err
			}
			result, err := c.send(ctx, api, read, options)
			if err != nil {
				return placed(err, read)
			}
			return c.print(result, func(t *table) { showApplied(t, result, options.DryRun) })
		}),
	}
	fileFlag(cmd, &file)
	cmd.Flags().BoolVar(&options.Prune, "prune", false, "also delete what files own and these files no longer have")
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "show what would happen and change nothing")
	return c.printsAnswer(cmd)
}

// send applies what was read, and tells how far it is.
func (c *command) send(ctx context.Context, api *client.Client, read []manager.Document, o manager.ApplyOptions) (*manager.ApplyResult, error) {
	what := "Applying " + count(len(read), "resource")
	p := c.progress("%s", what)
	defer p.done()
	return api.ApplyWithProgress(ctx, documents.Resources(read), o, func(sent, total int64) {
		if sent < total {
			p.say("%s: %s of %s sent", what, megabytes(sent), megabytes(total))
		} else {
			p.say("%s: sent, the manager checks and stores them", what)
		}
	})
}

func showApplied(t *table, result *manager.ApplyResult, dryRun bool) {
	t.row("KIND", "PARTNER", "NAME", "ACTION")
	taken := 0
	for _, r := range result.Results {
		t.row(string(r.Kind), r.Partner, r.Name, string(r.Action))
		if r.TakenFrom != "" {
			taken++
		}
	}
	if taken > 0 {
		t.note("\n%s taken over from the API or the portal; files own them now.", count(taken, "resource"))
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
	if !errors.As(err, &p) || len(p.Errors) == 0 {
		return manager.Locate(err, read)
	}
	located := &manager.Error{Code: manager.CodeInvalid, Message: p.Detail}
	for _, f := range p.Errors {
		var i int
		if n, err := fmt.Sscanf(f.Path, "resources[%d]", &i); n == 1 && err == nil && i < len(read) {
			_, f.Path, _ = strings.Cut(f.Path, "].") // what the manager could not read stands by its place in what was sent
			f.Resource = read[i].Resource.Ref().String()
		}
		located.Fields = append(located.Fields, f)
	}
	return manager.Locate(located, read)
}

func (c *command) export() *cobra.Command {
	var form, snapshot string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print all resources as documents that apply reads",
		Long: `Prints all resources, but for keys, members and usage, as documents that apply reads: to begin with Git, to look, to move.
Applying them unchanged changes nothing but who manages them.

With --snapshot it writes the compiled policy that is in force instead, with the digests of keys, for proxies that must serve
although they start while no manager can be heard: dated, signed with the edge token in ` + server.EdgeTokenVariable + `, in base64
as the filters' field bootstrap takes it.`,
		Example: `  partnergate export > policy.yaml
  partnergate export --snapshot bootstrap.txt`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if form != outputYAML && form != outputJSON {
				return &usageError{fmt.Errorf("the output %q is not known; use -o %s or %s", form, outputYAML, outputJSON)}
			}
			if snapshot != "" {
				return c.exportSnapshot(cmd.Context(), snapshot)
			}
			api, err := c.client()
			if err != nil {
				return err
			}
			defer c.slowly("Reading all resources")()
			return c.exportAll(cmd.Context(), api, form)
		},
	}
	cmd.Flags().StringVarP(&form, "output", "o", outputYAML, "form of the documents: yaml, or json with one on a line")
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "write the compiled policy into this file")
	cmd.MarkFlagsMutuallyExclusive("snapshot", "output")
	complete(cmd, "output", outputYAML, outputJSON)
	return cmd
}

func (c *command) exportAll(ctx context.Context, api *client.Client, form string) error {
	first := true
	for _, kind := range manager.Kinds {
		resources, err := listAll(ctx, api, kind, "", "")
		if err != nil {
			return err
		}
		for _, r := range resources {
			if err := c.writeDocument(r, form, first); err != nil {
				return err
			}
			first = false
		}
	}
	return nil
}

func (c *command) writeDocument(r manager.Resource, form string, first bool) error {
	document, err := manager.WriteDocument(r)
	if form == outputJSON && err == nil {
		document, err = jsonDocument(r)
	}
	if err != nil {
		return err
	}
	if !first {
		document = append([]byte("---\n"), document...)
	}
	_, err = c.process.Stdout.Write(document)
	return err
}

// jsonDocument is a resource on one line, without what the manager writes.
func jsonDocument(r manager.Resource) ([]byte, error) {
	body, err := manager.MarshalResource(manager.Normalized(r))
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	err = json.Compact(&line, body)
	line.WriteByte('\n')
	return line.Bytes(), err
}
