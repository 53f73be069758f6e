package console

// views are all pages: the template of each, by the type of its view.
var views = map[string]any{
	"login":    loginView{},
	"message":  messageView{},
	"partners": partnersView{},
}
