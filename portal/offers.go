package portal

import (
	"net/url"

	"github.com/partnergate/partnergate/manager"
)

// offerCard is a product that the partner does not hold and may ask for.
type offerCard struct {
	Name, Title, Summary, Team string
	Action                     string
}

// offers are what the provider shows to partners who do not have it.
func (v *visit) offers(environment string) ([]offerCard, error) {
	products, err := v.Service.Offers(v.ctx(), v.name(), environment)
	if err != nil {
		return nil, err
	}
	cards := make([]offerCard, len(products))
	for i, p := range products {
		name := p.Metadata.Name
		cards[i] = offerCard{name, title(p.Spec.Title, name), p.Spec.Summary, p.Spec.Team, "/products/" + url.PathEscape(name) + "/request"}
	}
	return cards, nil
}

// requestAccess asks the provider for a product.
func (s *server) requestAccess(v *visit) error {
	product, environment := v.r.PathValue("name"), v.form.Get("environment")
	if _, err := s.Service.RequestAccess(v.ctx(), v.actor(), v.name(), product, environment); err != nil {
		return err
	}
	p, err := read[*manager.Product](v.ctx(), s.Service, manager.Ref{Kind: manager.KindProduct, Name: product})
	if err != nil {
		return err
	}
	return v.redirect(inEnvironment("/products", environment), "You asked for "+title(p.Spec.Title, product)+". It can be called here once the provider approves.")
}
