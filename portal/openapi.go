package portal

import (
	"net/http"
	"net/url"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// openAPIURL is where a product's OpenAPI document is, as the partner can call it in an environment.
func openAPIURL(product, environment string) string {
	return inEnvironment("/products/"+url.PathEscape(product)+"/openapi.json", environment)
}

// openAPI is the product's document with what the page marks as callable, and nothing else.
func (s *server) openAPI(v *visit) error {
	e, err := v.oneEnvironment()
	if err != nil {
		return err
	}
	p, err := v.held(v.r.PathValue("name"), e.name())
	switch {
	case err != nil:
		return err
	case p == nil:
		return web.ErrNotFound
	case len(p.Operations) == 0:
		return &manager.Error{Code: manager.CodeNotFound, Message: "There is nothing of " + title(p.Product.Spec.Title, p.Product.Metadata.Name) +
			" that you can call in " + e.current.Title + " now."}
	}
	use := manager.OpenAPIUse{Errors: s.PublicURL + web.ErrorPath("")}
	for _, host := range p.Hosts {
		where := addressOf(e.chosen()[0].Spec.Gateway, host)
		server := manager.OpenAPIServer{URL: where.url(""), Description: e.current.Title}
		if where.host != "" {
			server.Description += ". Send the header Host: " + where.host
		}
		use.Servers = append(use.Servers, server)
	}
	document, err := p.OpenAPI(use)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="`+p.Product.Metadata.Name+"-"+e.name()+`.openapi.json"`)
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(document) // the client is gone: nobody to tell
	return nil
}
