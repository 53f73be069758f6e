package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
	"github.com/partnergate/partnergate/manager/documents"
)

func (c *command) diff() *cobra.Command {
	var file string
	var prune bool
	cmd := &cobra.Command{
		Use:   "diff -f PATH",
		Short: "Show what apply would change; exit code 2 where anything",
		Long: `Compares files with the policy of the manager, and changes nothing. What apply would refuse is refused here too.
Exit code 0: no differences. 2: differences. 1: it could not be found out.`,
		Example: `  partnergate diff -f policy/
  partnergate diff -f policy/ --prune -o json`,
		Args: noArguments,
		RunE: c.asks(func(ctx context.Context, api *client.Client, _ []string) error {
			read, err := documents.ReadPath(file, c.process.Stdin)
			if err != nil {
				return err
			}
			done := c.slowly("Comparing %s", count(len(read), "resource"))
			found, err := findDifferences(ctx, api, read, prune)
			done()
			if err != nil {
				return placed(err, read)
			}
			if err := c.printDifferences(found); err != nil {
				return err
			}
			if len(found.Differences) > 0 {
				return errVerdict
			}
			return nil
		}),
	}
	fileFlag(cmd, &file)
	cmd.Flags().BoolVar(&prune, "prune", false, "also show what apply --prune would delete")
	return c.printsAnswer(cmd)
}

// differences is what apply would change.
type differences struct {
	PolicyVersion int64        `json:"policy_version"` // compared with
	Unchanged     int          `json:"unchanged"`
	Differences   []difference `json:"differences"`
}

type difference struct {
	manager.ApplyEntry
	File   string            `json:"file,omitempty"`
	Line   int               `json:"line,omitempty"`
	Fields []fieldDifference `json:"fields"`

	text string // unified
}

// fieldDifference is one field that differs; what is absent on one side is null there.
type fieldDifference struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// findDifferences asks the manager what applying would do, and compares each
// resource that it names, as it is stored and as it would be.
func findDifferences(ctx context.Context, api *client.Client, read []manager.Document, prune bool) (*differences, error) {
	result, err := api.Apply(ctx, documents.Resources(read), manager.ApplyOptions{DryRun: true, Prune: prune})
	if err != nil {
		return nil, err
	}
	byRef := make(map[manager.Ref]*manager.Document, len(read))
	for i := range read {
		byRef[read[i].Resource.Ref()] = &read[i]
	}
	found := &differences{PolicyVersion: result.PolicyVersion, Differences: []difference{}}
	for _, entry := range result.Results {
		if entry.Action == manager.ActionUnchanged {
			found.Unchanged++
			continue
		}
		d, err := compare(ctx, api, entry, byRef[refOf(entry)])
		if err != nil {
			return nil, err
		}
		found.Differences = append(found.Differences, *d)
	}
	return found, nil
}

func refOf(e manager.ApplyEntry) manager.Ref {
	return manager.Ref{Kind: e.Kind, Partner: e.Partner, Name: e.Name}
}

func compare(ctx context.Context, api *client.Client, entry manager.ApplyEntry, file *manager.Document) (*difference, error) {
	d := &difference{ApplyEntry: entry}
	ref := refOf(entry)
	var before, after manager.Resource
	place := "not in the files"
	if file != nil {
		d.File, d.Line = file.File, file.Line
		place = fmt.Sprintf("%s:%d", d.File, d.Line)
		after = manager.Normalized(file.Resource)
	} else if initial := manager.InitialEnvironment(ref.Name); ref.Kind == manager.KindEnvironment && initial != nil {
		after = manager.Normalized(initial)
	}
	if entry.Action != manager.ActionCreated {
		stored, err := api.Resource(ctx, ref)
		if err != nil {
			return nil, err
		}
		before = manager.Normalized(stored)
	}
	if err := d.compareFields(before, after); err != nil {
		return nil, err
	}
	return d, d.compareText(ref, place, before, after)
}

func (d *difference) compareText(ref manager.Ref, place string, before, after manager.Resource) error {
	old, err := documentText(before)
	if err != nil {
		return err
	}
	next, err := documentText(after)
	if err != nil {
		return err
	}
	text := diff.Diff(fmt.Sprintf("%s (manager)", ref), old, fmt.Sprintf("%s (%s)", ref, place), next)
	_, unified, _ := bytes.Cut(text, []byte("\n")) // the line before it says nothing more
	d.text = string(unified)
	return nil
}

func documentText(r manager.Resource) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	return manager.WriteDocument(r)
}

func (d *difference) compareFields(before, after manager.Resource) error {
	old, err := flatten(before)
	if err != nil {
		return err
	}
	next, err := flatten(after)
	if err != nil {
		return err
	}
	d.Fields = []fieldDifference{}
	for _, path := range union(old, next) {
		if !reflect.DeepEqual(old[path], next[path]) {
			d.Fields = append(d.Fields, fieldDifference{path, old[path], next[path]})
		}
	}
	return nil
}

func union(a, b map[string]any) []string {
	var all []string
	for path := range a {
		all = append(all, path)
	}
	for path := range b {
		if _, both := a[path]; !both {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}

// flatten lists the fields of a spec by their paths, such as spec.limits[0].name.
func flatten(r manager.Resource) (map[string]any, error) {
	flat := map[string]any{}
	if r == nil {
		return flat, nil
	}
	body, err := manager.MarshalResource(r)
	if err != nil {
		return nil, err
	}
	var document struct {
		Spec any `json:"spec"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, err
	}
	flattenInto(flat, "spec", document.Spec)
	return flat, nil
}

func flattenInto(flat map[string]any, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			flattenInto(flat, path+"."+name, item)
		}
	case []any:
		for i, item := range v {
			flattenInto(flat, fmt.Sprintf("%s[%d]", path, i), item)
		}
	default:
		flat[path] = v
	}
}

// printDifferences shows unified differences to people.
func (c *command) printDifferences(found *differences) error {
	return c.print(found, func(t *table) {
		counts := map[manager.Action]int{}
		for _, d := range found.Differences {
			counts[d.Action]++
			if d.TakenFrom != "" {
				t.note("%s is managed by %s; files would take it over.", refOf(d.ApplyEntry), ownerWords(d.TakenFrom))
			}
			t.text(d.text)
		}
		if len(found.Differences) == 0 {
			t.note("No differences in %s; policy version %d.", count(found.Unchanged, "resource"), found.PolicyVersion)
			return
		}
		t.note("%d to create, %d to update, %d to delete; %d unchanged. Policy version %d.", counts[manager.ActionCreated],
			counts[manager.ActionUpdated], counts[manager.ActionDeleted], found.Unchanged, found.PolicyVersion)
	})
}

func ownerWords(o manager.Owner) string {
	return map[manager.Owner]string{manager.OwnerAPI: "the API", manager.OwnerPortal: "the portal", manager.OwnerFile: "files"}[o]
}

// text adds lines as they are, but for what a terminal would act on.
func (t *table) text(lines string) {
	for line := range strings.Lines(lines) {
		t.after = append(t.after, plain([]string{strings.TrimSuffix(line, "\n")})[0])
	}
}
