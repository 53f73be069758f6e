package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/rest"
)

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
	answer := rest.Catalog{Partner: cat.Partner, Environment: cat.Environment, PolicyVersion: cat.PolicyVersion,
		Products: []rest.CatalogProduct{}, Operations: []rest.CatalogOperation{}}
	for _, p := range cat.Products {
		if p.Product != nil && !a.service.Sees(principal(c).Grant, p.Product) {
			continue
		}
		answer.Products = append(answer.Products, answerOfProduct(p))
		for _, o := range p.Operations {
			answer.Operations = append(answer.Operations, rest.CatalogOperation{
				Product: o.Product, Environment: o.Environment, Method: o.Method, Path: o.Path, Operation: o.Operation,
			})
		}
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func answerOfProduct(p manager.CatalogProduct) rest.CatalogProduct {
	answer := rest.CatalogProduct{Hosts: []string{}, State: p.State, Limits: []manager.Limit{}}
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
