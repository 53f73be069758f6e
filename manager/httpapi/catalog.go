package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
)

// catalogAnswer is what one partner can call in one environment.
type catalogAnswer struct {
	Partner       string             `json:"partner"`
	Environment   string             `json:"environment"`
	PolicyVersion int64              `json:"policy_version"`
	Products      []catalogProduct   `json:"products"`
	Operations    []catalogOperation `json:"operations"`
}

type catalogProduct struct {
	Product      string          `json:"product"`
	Title        string          `json:"title,omitempty"`
	Hosts        []string        `json:"hosts"`
	State        string          `json:"state"`
	Subscription string          `json:"subscription,omitempty"`
	Plan         string          `json:"plan,omitempty"`
	Limits       []manager.Limit `json:"limits"`
}

type catalogOperation struct {
	Product     string `json:"product"`
	Environment string `json:"environment"`
	Method      string `json:"method"`
	Path        string `json:"path"`
	Operation   string `json:"operation"`
}

// catalog answers for operators what the portal shows to the partner's members.
func (a *api) catalog(c *gin.Context) error {
	q := readQuery(c, "environment")
	if q.text("environment") == "" {
		q.fail("environment", "is missing; a catalog is of one environment, such as ?environment=sandbox")
	}
	if q.err != nil {
		return q.err
	}
	cat, err := a.service.Catalog(c.Request.Context(), c.Param("partner"), q.text("environment"))
	if err != nil {
		return err
	}
	answer := catalogAnswer{Partner: cat.Partner, Environment: cat.Environment, PolicyVersion: cat.PolicyVersion,
		Products: []catalogProduct{}, Operations: []catalogOperation{}}
	for _, p := range cat.Products {
		if p.Product != nil && !a.service.Sees(principal(c).Grant, p.Product) {
			continue
		}
		answer.Products = append(answer.Products, answerOfProduct(p))
		for _, o := range p.Operations {
			answer.Operations = append(answer.Operations, catalogOperation{o.Product, o.Environment, o.Method, o.Path, o.Operation})
		}
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func answerOfProduct(p manager.CatalogProduct) catalogProduct {
	answer := catalogProduct{Hosts: []string{}, State: p.State, Limits: []manager.Limit{}}
	answer.Hosts = append(answer.Hosts, p.Hosts...)
	answer.Limits = append(answer.Limits, p.Limits...)
	if p.Product != nil {
		answer.Product, answer.Title = p.Product.Metadata.Name, p.Product.Spec.Title
	}
	if p.Subscription != nil {
		answer.Subscription = p.Subscription.Metadata.Name
	}
	if p.Plan != nil {
		answer.Plan = p.Plan.Metadata.Name
	}
	return answer
}
