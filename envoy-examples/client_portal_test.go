package envoyexamples

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// portalSession is a person's browser at the portal, logged in.
type portalSession struct {
	base string
	http *http.Client
}

// operation is one entry of catalog.json.
type operation struct{ Product, Environment, Method, Path, Operation string }

// logIn opens the login page and sends its form.
func logIn(t testing.TB, base, email, password string) *portalSession {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &portalSession{base, &http.Client{Jar: jar}}
	s.get(t, "/login")
	page := s.post(t, "/login", url.Values{"email": {email}, "password": {password}})
	if !strings.Contains(page, `action="/logout"`) {
		t.Fatalf("%s is not logged in:\n%.2000s", email, page)
	}
	return s
}

func (s *portalSession) get(t testing.TB, path string) string {
	t.Helper()
	return s.page(t, http.MethodGet, path, nil)
}

// post sends a form, and follows where the answer leads.
func (s *portalSession) post(t testing.TB, path string, form url.Values) string {
	t.Helper()
	return s.page(t, http.MethodPost, path, form)
}

func (s *portalSession) page(t testing.TB, method, path string, form url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", s.base)
	}
	response, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body := bodyOf(t, response)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s\n%.2000s", method, path, response.Status, body)
	}
	return body
}

// catalog is what the portal says that the member's partner can call.
func (s *portalSession) catalog(t testing.TB, environment string) []operation {
	t.Helper()
	var body struct {
		Operations []operation `json:"operations"`
	}
	answer := s.get(t, "/catalog.json?environment="+url.QueryEscape(environment))
	if err := json.Unmarshal([]byte(answer), &body); err != nil {
		t.Fatalf("catalog.json: %v in %.500s", err, answer)
	}
	return body.Operations
}

// documented are the operations of a product's OpenAPI document; none where the member's partner gets no document.
func (s *portalSession) documented(t testing.TB, product, environment string) (list []operation) {
	t.Helper()
	response, err := s.http.Get(s.base + "/products/" + product + "/openapi.json?environment=" + url.QueryEscape(environment))
	if err != nil {
		t.Fatal(err)
	}
	text := bodyOf(t, response)
	if response.StatusCode == http.StatusNotFound {
		return nil
	}
	var document struct {
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil || len(document.Servers) == 0 {
		t.Fatalf("the OpenAPI document of %s: %v in %.500s", product, err, text)
	}
	base, err := url.Parse(document.Servers[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range document.Paths {
		for method, o := range item {
			list = append(list, operation{product, environment, strings.ToUpper(method), base.Path + path, o.OperationID})
		}
	}
	return list
}

// choose makes one of the person's partners the one that pages are about.
func (s *portalSession) choose(t testing.TB, partner string) {
	t.Helper()
	s.post(t, "/partner", url.Values{"partner": {partner}})
}

var shownKey = regexp.MustCompile(`<code id="key">([^<]+)</code>`)

// makeKey sends the form for a new key and reads the key off the page that shows it.
func (s *portalSession) makeKey(t testing.TB, application, environment string) string {
	t.Helper()
	s.get(t, "/applications/"+application+"/keys/new")
	page := s.post(t, "/applications/"+application+"/keys", url.Values{"environment": {environment}, "lifetime": {"never"}})
	found := shownKey.FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page after making a key shows none:\n%.3000s", page)
	}
	return html.UnescapeString(found[1])
}

// logged reports whether the request log shows a request as the member's own. The form on the page repeats the id that is asked for;
// only a row has it as text.
func (s *portalSession) logged(t testing.TB, requestID string) bool {
	t.Helper()
	page := s.get(t, "/requests?request_id="+url.QueryEscape(requestID))
	return strings.Contains(page, "<code>"+requestID+"</code>")
}
