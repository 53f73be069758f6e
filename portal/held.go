package portal

import (
	"sort"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// holdings are the products that the partner holds in any environment, by name.
type holdings struct {
	products      map[string]*heldProduct
	subscriptions map[string]string // to the title of its product
}

type heldProduct struct {
	title      string
	operations map[string]bool
}

// holdings are read from the catalogs, so that they tell of nothing else.
func (v *visit) holdings() (holdings, error) {
	h := holdings{map[string]*heldProduct{}, map[string]string{}}
	environments, err := v.Service.PartnerEnvironments(v.ctx(), v.name())
	if err != nil {
		return h, err
	}
	for _, environment := range environments {
		catalog, err := v.Service.Catalog(v.ctx(), v.name(), environment.Metadata.Name)
		if err != nil {
			return h, err
		}
		for _, p := range catalog.Products {
			h.add(p)
		}
	}
	return h, nil
}

func (h holdings) add(p manager.CatalogProduct) {
	name := p.Product.Metadata.Name
	held := h.products[name]
	if held == nil {
		held = &heldProduct{title(p.Product.Spec.Title, name), map[string]bool{}}
		h.products[name] = held
	}
	for _, o := range operationsOf(p) {
		held.operations[o.Operation] = true
	}
	if p.Subscription != nil {
		h.subscriptions[p.Subscription.Metadata.Name] = held.title
	}
}

// title is what the partner knows a product by; its name where it is not held any more.
func (h holdings) title(product string) string {
	if held := h.products[product]; held != nil {
		return held.title
	}
	return product
}

// productChoices offers the products held.
func (h holdings) productChoices(current string) []web.Choice {
	list := []web.Choice{{Label: "All products", Current: current == ""}}
	list = appendNames(list, sortedNames(h.products), current)
	for i := range list {
		if list[i].Value != "" {
			list[i].Label = h.title(list[i].Value)
		}
	}
	return list
}

// operationChoices offers the operations of the product chosen, or of all.
func (h holdings) operationChoices(product, current string) []web.Choice {
	all := map[string]bool{}
	for name, held := range h.products {
		for operation := range held.operations {
			if product == "" || product == name {
				all[operation] = true
			}
		}
	}
	return appendNames([]web.Choice{{Label: "All operations", Current: current == ""}}, sortedNames(all), current)
}

// applicationChoices offers the partner's applications.
func (v *visit) applicationChoices(current string) ([]web.Choice, error) {
	applications, err := v.applicationList()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(applications))
	for i, a := range applications {
		names[i] = a.Metadata.Name
	}
	return appendNames([]web.Choice{{Label: "All applications", Current: current == ""}}, names, current), nil
}

func sortedNames[T any](set map[string]T) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// appendNames adds names, and current where it is none of them: what the address asks for is shown.
func appendNames(list []web.Choice, names []string, current string) []web.Choice {
	known := current == ""
	for _, name := range names {
		list = append(list, web.Choice{Value: name, Label: name, Current: name == current})
		known = known || name == current
	}
	if !known {
		list = append(list, web.Choice{Value: current, Label: current, Current: true})
	}
	return list
}
