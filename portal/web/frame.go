package web

import (
	"net/http"
	"net/url"
	"strings"
)

// Frame is what surrounds every page.
type Frame struct {
	Title         string
	Theme         string
	Themes        []ThemeChoice
	Path          string // this page, to come back to
	Notice        string
	AssetsMissing string
}

// ThemeChoice is one button of the choice of colours.
type ThemeChoice struct {
	Value, Label, Icon string
	Current            bool
}

// Link is an entry of a navigation.
type Link struct {
	Title, URL, Icon string
	Current          bool
}

// Badge tells a state by a word and a tone. Word is empty for what needs no telling.
type Badge struct{ Word, Tone, Text string }

// Choice is one value of a select or of a set of radio buttons.
type Choice struct {
	Value, Label, Hint string
	Current            bool
}

// Frame is the frame of a page that answers r.
func (s *Site) Frame(r *http.Request, title string) Frame {
	f := Frame{Title: title, Theme: theme(r), Path: r.URL.RequestURI(), AssetsMissing: s.Assets.Missing}
	labels := map[string]string{"": "System", "light": "Light", "dark": "Dark"}
	for _, value := range themes {
		f.Themes = append(f.Themes, ThemeChoice{value, labels[value], "theme-" + strings.ToLower(labels[value]), value == f.Theme})
	}
	return f
}

// themes are the values of the theme cookie; "" follows the system.
var themes = []string{"", "light", "dark"}

const themeCookie = "partnergate_theme"

// theme is what the reader chose, "" for what their system has.
func theme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// ChooseTheme is the theme buttons without scripts; portal.js sets the same cookie itself.
func (s *Site) ChooseTheme(w http.ResponseWriter, r *http.Request) {
	form, ok := s.ReadForm(w, r)
	if !ok {
		return
	}
	cookie := http.Cookie{Name: themeCookie, Path: "/", MaxAge: 365 * 86400, SameSite: http.SameSiteLaxMode, Secure: s.Secure}
	if cookie.Value = form.Get("theme"); cookie.Value == "" {
		cookie.MaxAge = -1
	}
	if cookie.Value != "" && cookie.Value != "light" && cookie.Value != "dark" {
		s.Fail(w, r, ErrNotFound)
		return
	}
	http.SetCookie(w, &cookie)
	back := LocalPath(form.Get("back"))
	if back == "" {
		back = s.Home
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// LocalPath is path where it leads to a page of the same site, else "". A login
// page leads nowhere.
func LocalPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return ""
	}
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Path == "/login" || u.Path == "/admin/login" {
		return ""
	}
	return u.RequestURI()
}

// WithQuery is a page's address with one filter changed, from its first rows on.
func WithQuery(u *url.URL, name, value string) string {
	query := u.Query()
	query.Del("cursor")
	query.Set(name, value)
	if value == "" {
		query.Del(name)
	}
	if len(query) == 0 {
		return u.Path
	}
	return u.Path + "?" + query.Encode()
}

// WithCursor is a page's address for the rows after a cursor.
func WithCursor(u *url.URL, cursor string) string {
	query := u.Query()
	query.Set("cursor", cursor)
	return u.Path + "?" + query.Encode()
}
