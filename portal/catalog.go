package portal

import (
	"encoding/json"
	"net/http"

	"github.com/partnergate/partnergate/manager"
)

// catalogBody is /catalog.json.
type catalogBody struct {
	Operations []catalogOperation `json:"operations"`
}

// catalogOperation is one operation that can be called now.
type catalogOperation struct {
	Product     string `json:"product"`
	Environment string `json:"environment"`
	Method      string `json:"method"`
	Path        string `json:"path"`
	Operation   string `json:"operation"`
}

// catalogHere is the catalog of the environment that the page is about.
func (v *visit) catalogHere() (*scope, *manager.Catalog, error) {
	e, err := v.oneEnvironment()
	if err != nil {
		return nil, nil, err
	}
	catalog, err := v.Service.Catalog(v.ctx(), v.name(), e.name())
	return e, catalog, err
}

// catalog is the list that the pages show, for programs.
func (s *server) catalog(v *visit) error {
	_, catalog, err := v.catalogHere()
	if err != nil {
		return err
	}
	body := catalogBody{Operations: []catalogOperation{}}
	for _, product := range catalog.Products {
		for _, o := range product.Operations {
			body.Operations = append(body.Operations, callableOf(o))
		}
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(http.StatusOK)
	return json.NewEncoder(v.w).Encode(body)
}

func callableOf(o manager.CatalogOperation) catalogOperation {
	return catalogOperation{o.Product, o.Environment, o.Method, o.Path, o.Operation}
}
