package console

// views are all pages: the template of each, by the type of its view.
var views = map[string]any{
	"login":    loginView{},
	"message":  messageView{},
	"overview": overviewView{},
	"partners": partnersView{},
	"partner":  partnerView{},
	"products": productsView{},
	"product":  productView{},
	"requests": requestsView{},
	"explain":  explainView{},
	"proxies":  proxiesView{},
	"audit":    auditView{},
	"confirm":  confirmView{},
	"change":   changeDoneView{},
}
