package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/portal/web"
)

// visit is one request of who has signed in.
type visit struct {
	*server
	w         http.ResponseWriter
	r         *http.Request
	form      url.Values // what was posted
	principal manager.Principal
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// query is a value of the address.
func (v *visit) query(name string) string { return trimmed(v.r.URL.Query().Get(name)) }

func (v *visit) grant() *manager.Grant { return v.principal.Grant }

// may tells whether the token includes a permission.
func (v *visit) may(p manager.Permission) bool { return v.grant().Has(p) }

func (v *visit) render(view any) error {
	v.Render(v.w, v.r, http.StatusOK, view)
	return nil
}

// read returns a resource as the type that its kind has; what belongs to other
// teams is not there.
func read[R manager.Resource](v *visit, ref manager.Ref) (R, error) {
	var none R
	resource, err := v.Service.Resource(v.ctx(), ref)
	if err != nil {
		return none, err
	}
	typed, ok := resource.(R)
	if !ok || !v.Service.Sees(v.grant(), resource) {
		return none, web.ErrNotFound
	}
	return typed, nil
}

// all is everything that a query selects, for what a page shows whole.
func (v *visit) all(q manager.Query) ([]manager.Resource, error) {
	var list []manager.Resource
	for q.Limit = 500; ; {
		page, err := v.Service.Find(v.ctx(), q)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return list, nil
		}
	}
}

// title is what people call a thing: its title, else its name.
func title(given, name string) string {
	if trimmed(given) == "" {
		return name
	}
	return given
}

func trimmed(text string) string { return strings.TrimSpace(text) }
