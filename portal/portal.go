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
	for _, r := range s.table() {
		mux.Handle(r.pattern, s.guarded(r))
	}
	mux.Handle("/", s.public(s.notFound))
	return mux
}

func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("User-agent: *\nDisallow: /\n")) // the client is gone: nobody to tell
}
