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

	"github.com/alexedwards/scs/v2"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/telemetry"
)

// Config configures the portal.
type Config struct {
	Service   *manager.Service
	PublicURL string           // where people reach the portal; https makes its cookies Secure
	Logger    *slog.Logger     // nil: slog.Default()
	Now       func() time.Time // nil: time.Now
}

// server is the portal at work. Its methods are the pages.
type server struct {
	service   *manager.Service
	publicURL string // without a slash at its end
	secure    bool
	logger    *slog.Logger
	now       func() time.Time
	sessions  *scs.SessionManager
	assets    *assets
	pages     pages
}

// New checks templates and assets and returns the portal. Missing assets are
// logged and named on every page; the pages work without them.
func New(c Config) (http.Handler, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	if s.assets.missing != "" {
		s.logger.Error("the portal lacks scripts and styles: run `make portal` and build again", "missing", s.assets.missing)
	}
	return s.guard(s.routes()), nil
}

func newServer(c Config) (*server, error) {
	if c.Service == nil {
		return nil, errors.New("portal: Config.Service is missing")
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Scheme != "http" && public.Scheme != "https" || public.Host == "" {
		return nil, errors.New("portal: the public URL must be like https://partners.example.com, not " + c.PublicURL)
	}
	s := &server{
		service:   c.Service,
		publicURL: strings.TrimRight(c.PublicURL, "/"),
		secure:    public.Scheme == "https",
		logger:    telemetry.Logger(c.Logger),
		now:       c.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.sessions = newSessions(c.Service.Sessions(), s)
	if s.assets, err = loadAssets(staticFiles); err != nil {
		return nil, err
	}
	s.pages, err = parsePages(s.assets)
	return s, err
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", s.assets)
	mux.HandleFunc("GET /robots.txt", robots)
	mux.Handle("GET /docs/errors", s.public(s.errorIndex))
	mux.Handle("GET /docs/errors/{code}", s.public(s.errorDoc))
	mux.Handle("GET /login", s.public(s.loginForm))
	mux.Handle("POST /login", s.public(s.login))
	mux.Handle("POST /logout", s.public(s.logout))
	mux.Handle("POST /theme", s.public(s.chooseTheme))
	mux.Handle("GET /{$}", http.RedirectHandler("/products", http.StatusSeeOther))
	mux.Handle("GET /catalog.json", s.api(s.catalog))

	mux.Handle("POST /partner", s.member(s.choosePartner))
	mux.Handle("GET /products", s.member(s.products))
	mux.Handle("GET /products/{name}", s.member(s.product))
	mux.Handle("GET /applications", s.member(s.applications))
	mux.Handle("GET /applications/new", s.member(s.newApplication))
	mux.Handle("POST /applications", s.maker(s.createApplication))
	mux.Handle("GET /applications/{application}/keys/new", s.member(s.newKey))
	mux.Handle("POST /applications/{application}/keys", s.maker(s.createKey))
	mux.Handle("GET /applications/{application}/keys/{id}/rotate", s.member(s.confirmRotate))
	mux.Handle("POST /applications/{application}/keys/{id}/rotate", s.maker(s.rotateKey))
	mux.Handle("GET /applications/{application}/keys/{id}/revoke", s.member(s.confirmRevoke))
	mux.Handle("POST /applications/{application}/keys/{id}/revoke", s.maker(s.revokeKey))
	mux.Handle("GET /usage", s.member(s.usage))
	mux.Handle("GET /requests", s.member(s.requests))
	mux.Handle("/", s.public(s.notFound))
	return mux
}

func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("User-agent: *\nDisallow: /\n")) // the client is gone: nobody to tell
}
