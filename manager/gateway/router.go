package gateway

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
)

// Upstream is where requests go whose path is Prefix or lies below it.
type Upstream struct {
	Prefix string // such as /payments; / is everything
	URL    string // scheme, host and port; the path of requests is not changed
}

// ParseUpstream reads prefix=URL, such as /payments=http://127.0.0.1:9001.
func ParseUpstream(given string) (Upstream, error) {
	prefix, target, ok := strings.Cut(given, "=")
	if !ok || !strings.HasPrefix(prefix, "/") {
		return Upstream{}, fmt.Errorf("the upstream %q is not PREFIX=URL such as /payments=http://127.0.0.1:9001", given)
	}
	if prefix != "/" {
		prefix = strings.TrimRight(prefix, "/")
	}
	return Upstream{Prefix: prefix, URL: target}, nil
}

// router sends a request to the upstream with the longest prefix of its path.
type router struct {
	routes []route // longest prefix first
}

type route struct {
	prefix string
	to     http.Handler
}

func newRouter(upstreams []Upstream) (*router, error) {
	if len(upstreams) == 0 {
		return nil, errors.New("the gateway has no upstream; give one with --upstream /=http://127.0.0.1:9001")
	}
	r := &router{}
	for _, u := range upstreams {
		to, err := newForwarder(u.URL)
		if err != nil {
			return nil, fmt.Errorf("the upstream %s: %w", u.Prefix, err)
		}
		r.routes = append(r.routes, route{u.Prefix, to})
	}
	slices.SortStableFunc(r.routes, func(a, b route) int { return len(b.prefix) - len(a.prefix) })
	return r, nil
}

// ServeHTTP implements http.Handler.
func (r *router) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	path, _, _ := strings.Cut(request.RequestURI, "?")
	for _, route := range r.routes {
		rest, below := strings.CutPrefix(path, route.prefix)
		if below && (rest == "" || rest[0] == '/' || route.prefix == "/") {
			route.to.ServeHTTP(w, request)
			return
		}
	}
	http.Error(w, "no upstream of this gateway has a prefix of this path", http.StatusNotFound)
}

// newForwarder passes requests on to another server with the target that they
// came with, byte for byte.
func newForwarder(target string) (*httputil.ReverseProxy, error) {
	u, err := url.Parse(target)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not an http or https URL without a path, such as http://127.0.0.1:9001", target)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil               // a local gateway goes straight
	transport.DisableCompression = true // what the client asked for is what it gets
	transport.MaxIdleConnsPerHost = 64
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			path, query, asked := strings.Cut(p.In.RequestURI, "?")
			// Opaque, since any other form of URL would be encoded anew.
			p.Out.URL = &url.URL{Scheme: u.Scheme, Host: u.Host, Opaque: path, RawQuery: query, ForceQuery: asked && query == ""}
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		ErrorHandler: unreachable,
		ErrorLog:     log.New(io.Discard, "", 0), // the answer says it
	}, nil
}

func unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		http.Error(w, "the upstream does not answer: "+err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusBadGateway) // nobody listens any more
}
