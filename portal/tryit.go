package portal

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/partnergate/partnergate/portal/web"
)

// tryView is the page on which a member tries one operation.
type tryView struct {
	Frame       frame
	Environment environmentChoice
	Title       string // the product's
	Back        string // address of the operation on the product's page
	Action      string // where the form goes
	Operation   operationView
	Callable    bool // the environment says where its gateway is
	HasBody     bool
	Form        tryForm
	Problem     string // why there is no answer
	Answer      tryAnswer
}

// tryForm is the form, as it was sent. The key is not in it: nothing that is
// shown, kept or logged has it.
type tryForm struct {
	Parameters  []tryParameter // in the order of the path
	Query       string
	ContentType string
	Body        string
}

type tryParameter struct{ Name, Value, Hint string }

// tryAnswer is what the gateway answered, to be shown.
type tryAnswer struct {
	Come      bool
	Status    string
	Text      string // of the status
	Tone      string
	Took      string
	URL       string // that was called
	Refusal   web.Outcome
	Headers   []tryHeader
	Body      string
	Binary    string // what the body is, where it is no text
	Cut       bool
	RequestID string
	LogURL    string
}

type tryHeader struct{ Name, Value string }

// tryURL is where an operation is tried.
func tryURL(o catalogOperation) string {
	return "/products/" + url.PathEscape(o.Product) + "/try?" + url.Values{"environment": {o.Environment}, "operation": {o.Operation}}.Encode()
}

// trial is an operation with where it is called, all from the member's catalog.
type trial struct {
	view    tryView
	gateway string
	host    string
}

// trial is what the address names, as long as the member can call it.
func (v *visit) trial() (*trial, error) {
	e, err := v.oneEnvironment()
	if err != nil {
		return nil, err
	}
	p, err := v.held(v.r.PathValue("name"), e.name())
	if err != nil {
		return nil, err
	}
	if p == nil || len(p.Hosts) == 0 {
		return nil, web.ErrNotFound
	}
	id := v.r.URL.Query().Get("operation")
	operations := operationsOf(*p)
	at := slices.IndexFunc(operations, func(o operationView) bool { return o.Callable && o.Operation == id })
	if at < 0 {
		return nil, web.ErrNotFound
	}
	t := &trial{gateway: e.chosen()[0].Spec.Gateway, host: p.Hosts[0]}
	o := operations[at]
	where := addressOf(t.gateway, t.host)
	o.Curl, o.Try = where.curl(o.Method, o.Path), tryURL(o.catalogOperation)
	name := p.Product.Metadata.Name
	t.view = tryView{
		Environment: e.current, Title: title(p.Product.Spec.Title, name), Back: inEnvironment("/products/"+name, e.name()) + "#" + o.Anchor,
		Action: o.Try + "#answer", Operation: o, Callable: t.gateway != "", HasBody: hasBody(o.Method),
	}
	t.view.Form.ContentType = "application/json"
	for _, part := range web.PathParts(o.Path) {
		if name := strings.Trim(part.Text, "{}"); part.Parameter {
			t.view.Form.Parameters = append(t.view.Form.Parameters, tryParameter{Name: name, Hint: o.hint(name)})
		}
	}
	e.choices = nil // in another environment the operation may be another
	t.view.Frame = v.frame("Try "+o.Operation, "products", e)
	return t, nil
}

// hint is what the document says of a parameter of the path, as far as it fits beside a field.
func (o operationView) hint(parameter string) string {
	for _, p := range o.Parameters {
		if p.Name != parameter || p.In != "path" {
			continue
		}
		if first := web.Paragraphs(p.Description); len(first) > 0 {
			return first[0]
		}
		if len(p.Values) > 0 {
			return "One of " + strings.Join(p.Values, ", ") + "."
		}
	}
	return ""
}

// hasBody tells whether requests of a method usually have a body.
func hasBody(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

func (s *server) tryForm(v *visit) error {
	t, err := v.trial()
	if err != nil {
		return err
	}
	return v.render(t.view)
}

// try calls the operation. The key is used for the call and then forgotten.
func (s *server) try(v *visit) error {
	t, err := v.trial()
	if err != nil {
		return err
	}
	t.read(v.form)
	if !t.view.Callable {
		return v.tried(t, http.StatusUnprocessableEntity, "The provider has not said where the gateway of "+t.view.Environment.Title+" is. Use the curl line.")
	}
	key := strings.TrimSpace(v.form.Get("key"))
	request, problem := t.request(key)
	if problem != "" {
		return v.tried(t, http.StatusUnprocessableEntity, problem)
	}
	end := s.tries.begin(v.email, v.Now())
	if end == nil {
		v.w.Header().Set("Retry-After", "60")
		return v.tried(t, http.StatusTooManyRequests, "You tried too often: "+strconv.Itoa(triesAtOnce)+" calls at once and "+strconv.Itoa(triesMinute)+" a minute are possible here. Wait a minute.")
	}
	defer end()
	answer, err := s.tries.call(v.ctx(), request)
	if err != nil {
		s.Logger.WarnContext(v.ctx(), "a member's try got no answer from the gateway", "environment", t.view.Environment.Name,
			"error", strings.ReplaceAll(err.Error(), key, hiddenKey))
		status, problem := callProblem(err, t.view.Environment.Title)
		return v.tried(t, status, problem)
	}
	t.show(request, answer)
	return v.tried(t, http.StatusOK, "")
}

func (v *visit) tried(t *trial, status int, problem string) error {
	t.view.Problem = problem
	v.Render(v.w, v.r, status, t.view)
	return nil
}

// read takes the form's fields, but for the key.
func (t *trial) read(form url.Values) {
	f := &t.view.Form
	for i, value := range form["parameter"] {
		if i < len(f.Parameters) {
			f.Parameters[i].Value = value
		}
	}
	f.Query = strings.TrimPrefix(strings.TrimSpace(form.Get("query")), "?")
	f.ContentType = strings.TrimSpace(form.Get("content_type"))
	f.Body = strings.ReplaceAll(form.Get("body"), "\r\n", "\n") // as browsers send lines
}

// request is the call: its address is the gateway's and the operation's, in
// which each parameter is one segment. What does not fit is told as a problem.
func (t *trial) request(key string) (*http.Request, string) {
	f := t.view.Form
	path, problem := t.path()
	if problem == "" {
		problem = f.problem(key)
	}
	gateway, err := url.Parse(t.gateway)
	if err != nil && problem == "" {
		problem = "The gateway's address in this environment cannot be read. Tell the provider."
	}
	if problem != "" {
		return nil, problem
	}
	escaped := strings.TrimRight(gateway.EscapedPath(), "/") + path
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, "The operation's path cannot be called. Tell the provider."
	}
	r := &http.Request{
		Method: t.view.Operation.Method, Host: t.host, Header: http.Header{"X-Api-Key": {key}},
		URL: &url.URL{Scheme: gateway.Scheme, Host: gateway.Host, Path: plain, RawPath: escaped, RawQuery: queryEscaped(f.Query)},
	}
	if r.URL.EscapedPath() != escaped {
		return nil, "The operation's path cannot be called from here. Use curl."
	}
	if t.view.HasBody {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(f.Body)), int64(len(f.Body))
		if f.ContentType != "" {
			r.Header.Set("Content-Type", f.ContentType)
		}
	}
	return r, ""
}

// path is the operation's with the parameters in it.
func (t *trial) path() (path, problem string) {
	var b strings.Builder
	values := t.view.Form.Parameters
	for _, part := range web.PathParts(t.view.Operation.Path) {
		if !part.Parameter {
			b.WriteString(part.Text)
			continue
		}
		p := values[0]
		values = values[1:]
		switch {
		case p.Value == "":
			return "", "Fill in " + p.Name + ": it is a part of the path."
		case p.Value == "." || p.Value == "..":
			return "", p.Name + " cannot be " + p.Value + ": gateways would take that for another path."
		case strings.ContainsFunc(p.Value, isControl):
			return "", p.Name + " has a line break or another control character. Take it out."
		}
		b.WriteString(url.PathEscape(p.Value))
	}
	return b.String(), ""
}

// problem is what is wrong with the other fields.
func (f tryForm) problem(key string) string {
	switch {
	case key == "":
		return "Give an API key. It is needed for each call, since it is not kept."
	case len(key) > 512 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "That is no API key: keys have neither spaces nor line breaks."
	case strings.ContainsFunc(f.Query, isControl):
		return "The query string has a line break or another control character. Take it out."
	case f.ContentType == "":
		return ""
	}
	if _, _, err := mime.ParseMediaType(f.ContentType); err != nil || strings.ContainsFunc(f.ContentType, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "The content type is none; write it as application/json."
	}
	return ""
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// queryEscaped escapes what a query cannot have and leaves all else as it was written.
func queryEscaped(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>\\^`{|}", c) >= 0 {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(0x100|uint64(c), 16)[1:]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// show fills in what was answered.
func (t *trial) show(r *http.Request, c *called) {
	code, requestID := c.refusal()
	if requestID == "" {
		requestID = c.requestID
	}
	a := tryAnswer{
		Come: true, Status: strconv.Itoa(c.status), Text: http.StatusText(c.status), Tone: statusTone(c.status),
		Took: tookWords(c.took), URL: addressOf(t.gateway, t.host).url(r.URL.RequestURI()), Cut: c.cut, RequestID: requestID,
		LogURL: "/requests?" + url.Values{"environment": {t.view.Environment.Name}, "request_id": {requestID}}.Encode(),
	}
	if code != "" {
		a.Refusal = web.OutcomeOf(code)
	}
	for name, values := range c.header {
		for _, value := range values {
			a.Headers = append(a.Headers, tryHeader{strings.ToLower(name), value})
		}
	}
	slices.SortStableFunc(a.Headers, func(a, b tryHeader) int { return strings.Compare(a.Name, b.Name) })
	if c.isText() {
		a.Body = string(c.body)
	} else {
		media, _, _ := mime.ParseMediaType(c.header.Get("Content-Type"))
		a.Binary = web.Count(int64(len(c.body)), "byte") + " of " + title(media, "an unknown type")
	}
	t.view.Answer = a
}

func tookWords(took time.Duration) string {
	if took < time.Millisecond {
		return "under 1 ms"
	}
	return web.Number(took.Milliseconds()) + " ms"
}
