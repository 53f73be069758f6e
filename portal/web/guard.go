package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"

	"github.com/partnergate/partnergate/manager"
)

// maxBody is how many bytes a request's body may have: no form of the portal comes near.
const maxBody = 64 << 10

// contentPolicy allows what the portal itself serves and nothing else. data:
// images are pico's icons of controls.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Guard is around every answer of the portal: headers, body size, requests
// from other sites, and what is left of a panic.
func (s *Site) Guard(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(s.Public(s.crossSite))
	return s.recovering(withHeaders(withOrigin(s.bounded(protection.Handler(next)))))
}

// withOrigin takes the connection's address where no server around the portal told one.
func withOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if manager.OriginOf(r.Context()).Address == "" {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil {
				host = r.RemoteAddr
			}
			r = r.WithContext(manager.WithOrigin(r.Context(), manager.Origin{Address: host, RequestID: r.Header.Get("X-Request-Id")}))
		}
		next.ServeHTTP(w, r)
	})
}

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (s *Site) bounded(next http.Handler) http.Handler {
	tooLarge := s.Public(s.bodyTooLarge)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody {
			tooLarge.ServeHTTP(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func (s *Site) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			caught := recover()
			if caught == nil {
				return
			}
			if err, ok := caught.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(caught)
			}
			s.Logger.ErrorContext(r.Context(), "the portal failed", "panic", fmt.Sprint(caught), "method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
			s.Fail(w, r, fmt.Errorf("panic: %v", caught))
		}()
		next.ServeHTTP(w, r)
	})
}

// ReadForm parses the body of a POST. It answers for itself where that fails.
func (s *Site) ReadForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	err := r.ParseForm()
	if err == nil {
		return r.PostForm, true
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		s.bodyTooLarge(w, r)
	} else {
		s.Message(w, r, http.StatusBadRequest, "That form could not be read", "The request's body is not a form. Go back and try again.")
	}
	return nil, false
}

func (s *Site) bodyTooLarge(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	s.Message(w, r, http.StatusRequestEntityTooLarge, "That is too much", "The portal reads at most 64 kB at a time. Shorten what you sent.")
}

func (s *Site) crossSite(w http.ResponseWriter, r *http.Request) {
	s.Message(w, r, http.StatusForbidden, "That request came from another site",
		"The portal accepts changes only from its own pages. Open the portal and try again there.")
}
