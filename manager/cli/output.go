package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// The forms of an answer.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputYAML  = "yaml"
)

var outputs = []string{outputTable, outputJSON, outputYAML}

// printsAnswer gives a command the flag -o.
func (c *command) printsAnswer(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&c.output, "output", "o", outputTable, "form of the answer: table, json or yaml")
	complete(cmd, "output", outputs...)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.output != outputTable && c.output != outputJSON && c.output != outputYAML {
			return &usageError{fmt.Errorf("the output %q is not known; use -o %s", c.output, strings.Join(outputs, ", "))}
		}
		return run(cmd, args)
	}
	return cmd
}

// complete makes the shell offer values for a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is not declared, or twice: a mistake in this package
	}
}

// print writes v as JSON or YAML, or calls table for people.
func (c *command) print(v any, table func(*table)) error {
	if c.output == outputTable {
		return printTable(c.process.Stdout, table)
	}
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	body = append(body, '\n')
	if c.output == outputYAML {
		if body, err = yaml.JSONToYAML(body); err != nil {
			return err
		}
	}
	_, err = c.process.Stdout.Write(body)
	return err
}

// table is what a command shows to people: rows of aligned cells, and lines after them.
type table struct {
	rows  [][]string
	after []string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) note(format string, args ...any) {
	t.after = append(t.after, fmt.Sprintf(format, args...))
}

func printTable(out io.Writer, fill func(*table)) error {
	t := &table{}
	fill(t)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, row := range t.rows {
		if _, err := fmt.Fprintln(w, strings.TrimRight(strings.Join(plain(row), "\t"), "\t")); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, line := range t.after {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// plain shows empty cells as a dash and keeps control characters, which
// partners can put into what they send, off the terminal.
func plain(row []string) []string {
	cells := make([]string, len(row))
	for i, cell := range row {
		cells[i] = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				return '\uFFFD'
			}
			return r
		}, cell)
		if cell == "" {
			cells[i] = "-"
		}
	}
	return cells
}

// moment shows a time to the second, UTC; the zero time is empty.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func optionalMoment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}
