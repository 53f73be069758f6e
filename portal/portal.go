// Package portal is where partners help themselves: they see what they may
// call and within which limits, make and rotate keys, and follow their usage
// and requests. It is plain net/http and html/template over a manager.Service;
// every page works without scripts but for copying and the chart.
package portal

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
	"github.com/partnergate/partnergate/portal/console"
	"github.com/partnergate/partnergate/portal/web"
)

// Config configures the portal.
type Config struct {
	Service    *manager.Service
	AdminToken string           // the bootstrap token, for the console; empty: named tokens only
	PublicURL  string           // where people reach the portal; https makes its cookies Secure
	Logger     *slog.Logger     // nil: slog.Default()
	Now        func() time.Time // nil: time.Now
}

// server is the portal at work. Its methods are the pages.
type server struct {
	*web.Site
	tries     *tries
	documents turns // at making OpenAPI documents
}

// New checks templates and assets and returns the portal. Missing assets are
// logged and named on every page; the pages work without them.
func New(c Config) (http.Handler, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	if s.Assets.Missing != "" {
		s.Logger.Error("the portal lacks scripts and styles: run `make portal` and build again", "missing", s.Assets.Missing)
	}
	operators, err := console.New(console.Config{
		Service: s.Service, AdminToken: c.AdminToken, PublicURL: s.PublicURL, Secure: s.Secure, Logger: s.Logger, Now: s.Now, Assets: s.Assets,
	})
	if err != nil {
		return nil, err
	}
	return split(s.Guard(s.routes()), operators), nil
}

// split sends the paths of the console to it, and all others to the portal.
func split(partners, operators http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/admin" || strings.HasPrefix(r.URL.Path, "/admin/") {
			operators.ServeHTTP(w, r)
			return
		}
		partners.ServeHTTP(w, r)
	})
}

func newServer(c Config) (*server, error) {
	if c.Service == nil {
		return nil, errors.New("portal: Config.Service is missing")
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Scheme != "http" && public.Scheme != "https" || public.Host == "" {
		return nil, errors.New("portal: the public URL must be like https://partners.example.com, not " + c.PublicURL)
	}
	s := &server{tries: newTries(nil), documents: make(turns, documentsAtOnce), Site: &web.Site{
		Service:     c.Service,
		PublicURL:   strings.TrimRight(c.PublicURL, "/"),
		Secure:      public.Scheme == "https",
		Logger:      telemetry.Logger(c.Logger),
		Now:         c.Now,
		Home:        "/products",
		Keys:        "Your API keys go on working. ",
		MessageView: func(f web.Frame, m web.Message) any { return messageView{frame{Frame: f}, m} },
	}}
	if s.Now == nil {
		s.Now = time.Now
	}
	s.Sessions = s.NewSessions("partnergate_session", sessionLifetime)
	if s.Assets, err = web.LoadAssets(staticFiles); err != nil {
		return nil, err
	}
	s.Pages, err = web.ParsePages(s.Assets, templateFiles, views)
	return s, err
}

// messageView is a page that says one thing.
type messageView struct {
	Frame frame
	web.Message
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.table() {
		mux.Handle(r.pattern, s.guarded(r))
	}
	mux.Handle("/", s.Public(s.NotFound))
	return mux
}

func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("User-agent: *\nDisallow: /\n")) // the client is gone: nobody to tell
}
