package portal

import (
	"embed"
	"net/http"
)

//go:embed templates
var templateFiles embed.FS

// static holds the portal's own files and, in vendor/, what `make portal`
// copies from npm packages. Without the latter it still compiles.
//
//go:embed static
var staticFiles embed.FS

// views are all pages: the template of each, by the type of its view.
var views = map[string]any{
	"login":              loginView{},
	"message":            messageView{},
	"products":           productsView{},
	"product":            productView{},
	"try":                tryView{},
	"applications":       applicationsView{},
	"application-new":    applicationNewView{},
	"application-rename": applicationRenameView{},
	"application-delete": applicationDeleteView{},
	"key-new":            keyNewView{},
	"key-shown":          keyShownView{},
	"key-rotate":         keyRotateView{},
	"key-revoke":         keyRevokeView{},
	"members":            membersView{},
	"member-invite":      memberInviteView{},
	"member-invited":     memberInvitedView{},
	"member-remove":      memberRemoveView{},
	"password":           passwordView{},
	"invitation":         invitationView{},
	"usage":              usageView{},
	"requests":           requestsView{},
	"error-index":        errorIndexView{},
	"error-doc":          errorDocView{},
}

func (v *visit) render(view any) error {
	v.Render(v.w, v.r, http.StatusOK, view)
	return nil
}
