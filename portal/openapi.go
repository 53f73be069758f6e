package portal

import (
	"context"
	"net/http"
	"net/url"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// documentsAtOnce are made for all members together; others wait. The largest takes some 200 MB, for less than a second.
const documentsAtOnce = 2

// turns are as many as may do something at once.
type turns chan struct{}

// do waits for a turn and takes it; it is false where ctx ends before.
func (t turns) do(ctx context.Context, what func()) bool {
	select {
	case t <- struct{}{}:
		defer func() { <-t }()
		what()
		return true
	case <-ctx.Done():
		return false
	}
}

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
	var document []byte
	took := s.documents.do(v.ctx(), func() { document, err = p.OpenAPI(use) })
	if err != nil || !took { // the client is gone: nobody to tell
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="`+p.Product.Metadata.Name+"-"+e.name()+`.openapi.json"`)
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(document) // the client is gone: nobody to tell
	return nil
}
