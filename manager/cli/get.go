package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/client"
)

// plurals are the names of kinds in lists, in the order of manager.Kinds.
var plurals = []string{"environments", "products", "plans", "partners", "applications", "subscriptions"}

// readKind takes a kind's name as people write it: Product, product, products.
func readKind(given string) (manager.Kind, error) {
	for i, kind := range manager.Kinds {
		if lower := strings.ToLower(given); lower == plurals[i] || lower == strings.TrimSuffix(plurals[i], "s") {
			return kind, nil
		}
	}
	return "", &usageError{fmt.Errorf("the kind %q is not known; it can be %s", given, strings.Join(plurals, ", "))}
}

func ownedByPartner(kind manager.Kind) bool {
	return kind == manager.KindApplication || kind == manager.KindSubscription
}

// readRef reads KIND NAME with the partner that some kinds need.
func readRef(args []string, partner string) (manager.Ref, error) {
	kind, err := readKind(args[0])
	if err != nil {
		return manager.Ref{}, err
	}
	ref := manager.Ref{Kind: kind, Name: args[1]}
	switch {
	case ownedByPartner(kind) && partner == "":
		return ref, &usageError{fmt.Errorf("the %s %s belongs to a partner; say which with --partner", strings.ToLower(string(kind)), ref.Name)}
	case ownedByPartner(kind):
		ref.Partner = partner
	case partner != "":
		return ref, &usageError{fmt.Errorf("a %s belongs to no partner; leave --partner out", strings.ToLower(string(kind)))}
	}
	return ref, nil
}

// listAll lists a kind; for what partners own without a partner, that of all of them.
// text, which may be empty, is in the name or title of each.
func listAll(ctx context.Context, api *client.Client, kind manager.Kind, partner, text string) ([]manager.Resource, error) {
	if !ownedByPartner(kind) || partner != "" {
		return api.Search(ctx, kind, partner, text)
	}
	partners, err := api.Resources(ctx, manager.KindPartner, "")
	if err != nil {
		return nil, err
	}
	var all []manager.Resource
	for _, p := range partners {
		owned, err := api.Search(ctx, kind, p.Meta().Name, text)
		if err != nil {
			return nil, err
		}
		all = append(all, owned...)
	}
	return all, nil
}

// exactArguments takes between least and most arguments; use names them.
func exactArguments(least, most int, use string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return &usageError{fmt.Errorf("%q takes %s, but got %s", cmd.CommandPath(), use, count(len(args), "argument"))}
		}
		return nil
	}
}

func (c *command) get() *cobra.Command {
	var partner, search string
	cmd := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "Show resources: " + strings.Join(plurals, ", "),
		Long:  "Shows resources, or one, with who manages each: a file that was applied, the portal or the API.\nThe kinds are " + strings.Join(plurals, ", ") + ".",
		Example: `  partnergate get subscriptions --partner acme
  partnergate get partners --search acme
  partnergate get product payments -o yaml`,
		Args:              exactArguments(1, 2, "KIND [NAME]"),
		ValidArgsFunction: c.completeResources,
		RunE: c.asks(func(ctx context.Context, api *client.Client, args []string) error {
			if len(args) == 2 {
				return c.getOne(ctx, api, args, partner)
			}
			return c.getAll(ctx, api, args[0], partner, search)
		}),
	}
	cmd.Flags().StringVar(&partner, "partner", "", "partner that owns the applications or subscriptions")
	cmd.Flags().StringVar(&search, "search", "", "only those with this text in their name or title")
	return c.printsAnswer(cmd)
}

func (c *command) getOne(ctx context.Context, api *client.Client, args []string, partner string) error {
	ref, err := readRef(args, partner)
	if err != nil {
		return err
	}
	r, err := api.Resource(ctx, ref)
	if err != nil {
		return err
	}
	body, err := manager.MarshalResource(r)
	if err != nil {
		return err
	}
	return c.print(json.RawMessage(body), func(t *table) { showResources(t, []manager.Resource{r}) })
}

func (c *command) getAll(ctx context.Context, api *client.Client, given, partner, search string) error {
	kind, err := readKind(given)
	if err != nil {
		return err
	}
	if partner != "" && !ownedByPartner(kind) {
		return &usageError{fmt.Errorf("%s belong to no partner; leave --partner out", given)}
	}
	done := c.slowly("Reading all %s", strings.ToLower(given))
	resources, err := listAll(ctx, api, kind, partner, search)
	done()
	if err != nil {
		return err
	}
	list := struct {
		Items []json.RawMessage `json:"items"`
	}{Items: []json.RawMessage{}}
	for _, r := range resources {
		body, err := manager.MarshalResource(r)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, body)
	}
	return c.print(list, func(t *table) { showResources(t, resources) })
}

func showResources(t *table, resources []manager.Resource) {
	if len(resources) == 0 {
		t.note("There are none.")
		return
	}
	columns := columnsOf(resources[0])
	heads := []string{"NAME"}
	if ownedByPartner(resources[0].Ref().Kind) {
		heads = []string{"PARTNER", "NAME"}
	}
	for _, column := range columns {
		heads = append(heads, column[0])
	}
	t.row(append(heads, "MANAGED BY", "REVISION", "UPDATED")...)
	for _, r := range resources {
		m := r.Meta()
		cells := []string{m.Name}
		if ownedByPartner(r.Ref().Kind) {
			cells = []string{m.Partner, m.Name}
		}
		for _, column := range columnsOf(r) {
			cells = append(cells, column[1])
		}
		t.row(append(cells, string(m.ManagedBy), strconv.FormatInt(m.Revision, 10), moment(m.UpdatedAt))...)
	}
}

// columnsOf are the heads and cells that a kind has of its own.
func columnsOf(r manager.Resource) [][2]string {
	switch r := r.(type) {
	case *manager.Environment:
		return [][2]string{{"TITLE", r.Spec.Title}, {"GATEWAY", r.Spec.Gateway}}
	case *manager.Product:
		return [][2]string{{"TITLE", r.Spec.Title}, {"LIFECYCLE", string(r.Spec.Lifecycle)}, {"TEAM", r.Spec.Team}}
	case *manager.Plan:
		return [][2]string{{"LIMITS", limitNames(r.Spec.Limits)}}
	case *manager.Partner:
		return [][2]string{{"TITLE", r.Spec.Title}, {"STATE", string(r.Spec.State)}, {"TIER", r.Spec.Support.Tier}}
	case *manager.Application:
		return [][2]string{{"TITLE", r.Spec.Title}}
	case *manager.Subscription:
		return [][2]string{{"PRODUCT", r.Spec.Product}, {"ENVIRONMENT", r.Spec.Environment}, {"PLAN", r.Spec.Plan}, {"STATE", string(r.Spec.State)}}
	}
	return nil
}

func limitNames(limits []manager.Limit) string {
	var names []string
	for _, l := range limits {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}

// printVersion tells that a change is made, and by which policy version.
func (c *command) printVersion(version int64, format string, args ...any) error {
	answer := struct {
		PolicyVersion int64 `json:"policy_version"`
	}{version}
	return c.print(answer, func(t *table) {
		t.note(format+" Policy version %d.", append(args, version)...)
	})
}
