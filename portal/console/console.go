// Package console is where operators look after the estate: what is published
// and where it is in force, who may call what, what was decided and why, who
// changed it. They come with a token of the admin API, and may do here what its
// role may do there. Every page works without scripts.
package console

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
	"github.com/partnergate/partnergate/portal/web"
)

// Config configures the console.
type Config struct {
	Service    *manager.Service
	AdminToken string // the one that the manager was started with; empty: named tokens only
	PublicURL  string // without a slash at its end
	Secure     bool   // people reach it by https
	Logger     *slog.Logger
	Now        func() time.Time // nil: time.Now
	Assets     *web.Assets
}

//go:embed templates
var templateFiles embed.FS

// server is the console at work. Its methods are the pages.
type server struct {
	*web.Site
	admission *manager.Admission
}

// New checks the templates and returns the console, for paths below /admin.
func New(c Config) (http.Handler, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	return s.Guard(s.routes()), nil
}

func newServer(c Config) (*server, error) {
	if c.Service == nil || c.Assets == nil {
		return nil, errors.New("console: Config.Service or Assets is missing")
	}
	s := &server{admission: c.Service.Admission(c.AdminToken), Site: &web.Site{
		Service: c.Service, PublicURL: c.PublicURL, Secure: c.Secure, Logger: telemetry.Logger(c.Logger), Now: c.Now, Assets: c.Assets,
		Home:        home,
		MessageView: func(f web.Frame, m web.Message) any { return messageView{frame{Frame: f}, m} },
	}}
	if s.Now == nil {
		s.Now = time.Now
	}
	s.Sessions = s.newSessions()
	var err error
	s.Pages, err = web.ParsePages(s.Assets, templateFiles, views)
	return s, err
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.table() {
		mux.Handle(r.pattern, s.guarded(r))
	}
	mux.Handle("/", s.Public(s.NotFound))
	return mux
}

// messageView is a page that says one thing.
type messageView struct {
	Frame frame
	web.Message
}
