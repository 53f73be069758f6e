package web

import (
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
)

// withSession loads the session of a request, and stores what has changed in
// it before the first byte of the answer.
func (s *Site) withSession(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		token := ""
		if cookie, err := r.Cookie(s.Sessions.Cookie.Name); err == nil {
			token = cookie.Value
		}
		ctx, err := s.Sessions.Load(r.Context(), token)
		if err != nil {
			s.Fail(w, r, err)
			return
		}
		r = r.WithContext(ctx)
		sw := &sessionWriter{ResponseWriter: w, site: s, r: r}
		page.ServeHTTP(sw, r)
		if !sw.begun {
			sw.WriteHeader(http.StatusOK)
		}
	})
}

// sessionWriter stores the session when the answer begins. Where that fails, a
// page is shown all the same: what was done is done, and it may hold a key that
// is told once. A redirect has nothing to lose, and would lead on as if all
// were well, from a login most of all: a page that says so takes its place.
type sessionWriter struct {
	http.ResponseWriter
	site   *Site
	r      *http.Request
	begun  bool
	failed bool // another page was answered
}

// Unwrap is for http.ResponseController.
func (w *sessionWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *sessionWriter) WriteHeader(status int) {
	if !w.begun {
		w.begun = true
		err := w.site.saveSession(w.ResponseWriter, w.r)
		if err != nil && w.r.Context().Err() == nil { // else nobody waits for it
			w.site.Logger.ErrorContext(w.r.Context(), "a session could not be stored", "error", err, "method", w.r.Method, "path", w.r.URL.Path)
		}
		if w.failed = err != nil && 300 <= status && status < 400; w.failed {
			w.Header().Del("Location")
			w.site.Message(w.ResponseWriter, w.r, http.StatusServiceUnavailable, "Your session could not be stored",
				"What you asked for may be done all the same: look before you do it again. If you were logging in, try again in a few seconds.")
		}
	}
	if !w.failed {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (w *sessionWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if w.failed {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// saveSession stores the session where it has changed, and sets or clears its cookie.
func (s *Site) saveSession(w http.ResponseWriter, r *http.Request) error {
	switch s.Sessions.Status(r.Context()) {
	case scs.Modified:
		token, expiry, err := s.Sessions.Commit(r.Context())
		if err != nil {
			return err
		}
		s.Sessions.WriteSessionCookie(r.Context(), w, token, expiry)
	case scs.Destroyed:
		s.Sessions.WriteSessionCookie(r.Context(), w, "", time.Time{})
	}
	return nil
}
