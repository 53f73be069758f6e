package portal

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

const tryKey = "pgk_sandbox_abcdefghjkmn_thisisasecretthatnobodyshallsee"

// gatewayAt points an environment at a gateway, and may replace how names resolve.
func (e *estate) gatewayAt(environment, gateway string, resolver *net.Resolver) {
	e.t.Helper()
	r, err := e.service.Resource(e.t.Context(), manager.Ref{Kind: manager.KindEnvironment, Name: environment})
	must(e.t, err)
	changed := *r.(*manager.Environment)
	changed.Spec.Gateway = gateway
	_, _, err = e.service.Put(e.t.Context(), operator, &changed, manager.AnyRevision)
	must(e.t, err)
	if resolver == nil {
		return
	}
	e.serveWith(func(s *server) { s.tries = newTries(resolver) })
}

// serveWith serves the portal changed.
func (e *estate) serveWith(change func(*server)) {
	e.t.Helper()
	s, err := newServer(Config{Service: e.service, PublicURL: "http://portal.example.test", Now: atNoon, Logger: slog.New(slog.NewTextHandler(e.log, nil))})
	must(e.t, err)
	change(s)
	e.server = httptest.NewServer(s.Guard(s.routes()))
	e.t.Cleanup(e.server.Close)
}

// gateway is a gateway that notes the requests that it got.
func (e *estate) gateway(answer http.HandlerFunc) (got chan *http.Request) {
	e.t.Helper()
	got = make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		select {
		case got <- r:
		default:
		}
		answer(w, r)
	}))
	e.t.Cleanup(server.Close)
	e.gatewayAt("sandbox", server.URL, nil)
	return got
}

func tried(operation string) string {
	return tryURL(catalogOperation{Product: "payments", Environment: "sandbox", Operation: operation})
}

func TestTryCallsTheGateway(t *testing.T) {
	e := newEstate(t)
	got := e.gateway(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("X-Api-Key"))
		w.Header().Set("X-Request-Id", "given-by-the-gateway")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"note": "<b>as text</b>", "key": "`+r.Header.Get("X-Api-Key")+`"}`)
	})
	b := e.loggedIn(acmeView)
	if page := b.get("/products/payments").body; !strings.Contains(page, `href="`+strings.ReplaceAll(tried("createRefund"), "&", "&amp;")+`"`) {
		t.Error("the product's page does not lead to it")
	}
	form := url.Values{
		"parameter": {"a/b?c#d @é"}, "query": {"?from=2026&x=ä b#c"}, "content_type": {"application/json"}, "body": {"{\r\n}"}, "key": {" " + tryKey + "\n"},
	}
	page := b.post(tried("createRefund"), form)
	if page.status != http.StatusOK {
		t.Fatalf("status %d\n%s", page.status, page.body)
	}
	r := <-got
	body, err := io.ReadAll(r.Body)
	must(t, err)
	if r.Method != "POST" || r.Host != "sandbox.api.localhost" || r.RequestURI != "/payments/payments/a%2Fb%3Fc%23d%20@%C3%A9/refunds?from=2026&x=%C3%A4%20b%23c" ||
		r.Header.Get("X-Api-Key") != tryKey || r.Header.Get("Content-Type") != "application/json" || string(body) != "{\n}" || r.Header.Get("Cookie") != "" {
		t.Errorf("the gateway got %s %s%s, %v, %q", r.Method, r.Host, r.RequestURI, r.Header, body)
	}
	for _, want := range []string{"201", "Created", " ms", "&lt;b&gt;as text&lt;/b&gt;", hiddenKey, "given-by-the-gateway",
		"/requests?environment=sandbox&amp;request_id=given-by-the-gateway", `value="a/b?c#d @é"`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page.body, tryKey) || strings.Contains(fmt.Sprint(page.header), tryKey) {
		t.Error("the page has the key")
	}
	e.absent("the key of a try", tryKey)
}

func TestWhatIsShownOfAnAnswer(t *testing.T) {
	e := newEstate(t)
	answers := map[string]struct {
		answer http.HandlerFunc
		want   []string
	}{
		"long": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x"+strings.Repeat("é", shownBytes))
		}, []string{"first 64 kB"}},
		"binary": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte{0x89, 'P', 'N', 'G', 0, 1})
		}, []string{"6 bytes of image/png"}},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}, []string{"302", "location"}},
		"refusal": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"code": "limit_exceeded", "status": 429, "request_id": "from-the-problem"}`)
		}, []string{"429", "/docs/errors/limit_exceeded", "request_id=from-the-problem"}},
		"nothing": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, []string{"204", "None."}},
	}
	for name, a := range answers {
		e.gateway(a.answer)
		page := e.loggedIn(acmeAdmin).post(tried("listPayments"), url.Values{"key": {tryKey}})
		if page.status != http.StatusOK {
			t.Errorf("%s: status %d", name, page.status)
		}
		for _, want := range a.want {
			if !strings.Contains(page.body, want) {
				t.Errorf("%s: the page lacks %q", name, want)
			}
		}
		if len(page.body) > 3*shownBytes/2 || strings.Contains(page.body, "\uFFFD") {
			t.Errorf("%s: the page has %d bytes, or half a character", name, len(page.body))
		}
	}
}

func TestTriesThatAreNotMade(t *testing.T) {
	e := newEstate(t)
	got := e.gateway(func(http.ResponseWriter, *http.Request) {})
	b := e.loggedIn(acmeAdmin)
	for name, form := range map[string]url.Values{
		"no key":                {"parameter": {"1"}},
		"a key of two lines":    {"parameter": {"1"}, "key": {"pgk_x\r\nhost: evil.test"}},
		"a long key":            {"parameter": {"1"}, "key": {strings.Repeat("k", 513)}},
		"no parameter":          {"key": {tryKey}},
		"a dot":                 {"parameter": {"."}, "key": {tryKey}},
		"two dots":              {"parameter": {".."}, "key": {tryKey}},
		"lines in a parameter":  {"parameter": {"1\r\nhost: evil.test"}, "key": {tryKey}},
		"lines in the query":    {"parameter": {"1"}, "query": {"a=1 HTTP/1.1\r\nhost: evil.test"}, "key": {tryKey}},
		"lines in the type":     {"parameter": {"1"}, "content_type": {"text/plain\r\nhost: evil.test"}, "key": {tryKey}},
		"a type that is no one": {"parameter": {"1"}, "content_type": {"/"}, "key": {tryKey}},
	} {
		page := b.post(tried("createRefund"), form)
		if page.status != http.StatusUnprocessableEntity || !strings.Contains(page.body, `role="alert"`) || form.Has("key") && strings.Contains(page.body, form.Get("key")) {
			t.Errorf("%s: status %d", name, page.status)
		}
	}
	for name, path := range map[string]string{
		"no operation":            tried(""),
		"no such operation":       tried("GET /payments/payments"),
		"another's product":       strings.Replace(tried("listPayments"), "payments", "nothing", 1),
		"a suspended one":         tryURL(catalogOperation{Product: "identity", Environment: "sandbox", Operation: "startCheck"}),
		"one of elsewhere":        tryURL(catalogOperation{Product: "ledger", Environment: "production", Operation: "listEntries"}),
		"no such environment":     strings.Replace(tried("listPayments"), "sandbox", "moon", 1),
		"an address as a product": "/products/" + url.PathEscape("http://evil.test/") + "/try?operation=listPayments",
	} {
		if r := b.post(path, url.Values{"key": {tryKey}}); r.status != http.StatusNotFound {
			t.Errorf("%s: status %d", name, r.status)
		}
		if r := b.get(path); r.status != http.StatusNotFound {
			t.Errorf("GET of %s: status %d", name, r.status)
		}
	}
	if len(got) > 0 {
		t.Error("the gateway was called")
	}
	e.gatewayAt("sandbox", "", nil)
	page := b.get(tried("listPayments"))
	if page.status != http.StatusOK || strings.Contains(page.body, `name="key"`) || !strings.Contains(page.body, "curl ") || !strings.Contains(page.body, "has not said where") {
		t.Errorf("without a gateway: status %d", page.status)
	}
	if r := b.post(tried("listPayments"), url.Values{"key": {tryKey}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("without a gateway: status %d", r.status)
	}
}

// TestNothingMemberSaysMovesTheCall puts into every field what could lead elsewhere.
func TestNothingMemberSaysMovesTheCall(t *testing.T) {
	e := newEstate(t)
	got := e.gateway(func(http.ResponseWriter, *http.Request) {})
	b := e.loggedIn(acmeAdmin)
	for _, value := range []string{"http://evil.test/", "//evil.test", "@evil.test", "/../../admin", `\\evil.test`, "%2e%2e", "..;", "a?b", "a#b", "{payment-id}", ":80"} {
		form := url.Values{"parameter": {value, value, value}, "query": {value}, "key": {tryKey}, "host": {"evil.test"}, "gateway": {"http://evil.test"}, "path": {"/x"}, "method": {"PUT"}}
		if page := b.post(tried("getPayment"), form); page.status != http.StatusOK {
			t.Errorf("%s: status %d", value, page.status)
			continue
		}
		r := <-got
		path, query, _ := strings.Cut(r.RequestURI, "?")
		segments := strings.Split(path, "/")
		plain, err := url.PathUnescape(segments[len(segments)-1])
		if err != nil || len(segments) != 4 || segments[1] != "payments" || segments[2] != "payments" || plain != value || r.Host != "sandbox.api.localhost" || r.Method != "GET" || strings.ContainsAny(query, "# ") {
			t.Errorf("%s: the gateway got %s %s %s", value, r.Method, r.Host, r.RequestURI)
		}
	}
}

func TestTriesAimedWhereNoGatewayIs(t *testing.T) {
	for _, to := range []string{"169.254.169.254", "fe80::1", "fd00:ec2::254", "224.0.0.1", "0.0.0.0", "::"} {
		err := permitted("tcp", net.JoinHostPort(to, "80"), nil)
		if status, text := callProblem(err, "Sandbox"); status != http.StatusBadRequest || !strings.Contains(text, to) {
			t.Errorf("%s: %d %s", to, status, text)
		}
	}
	e := newEstate(t)
	e.gatewayAt("sandbox", "http://metadata.example.test", resolvingTo(t, [4]byte{169, 254, 169, 254}))
	page := e.loggedIn(acmeAdmin).post(tried("listPayments"), url.Values{"key": {tryKey}})
	if page.status != http.StatusBadRequest || !strings.Contains(page.body, "leads to 169.254.169.254, a link-local address") {
		t.Errorf("a name that leads to the metadata: status %d\n%s", page.status, page.body)
	}
	e.literal("http://169.254.169.254")
	page = e.loggedIn(acmeAdmin).post(tried("listPayments"), url.Values{"key": {tryKey}})
	if page.status != http.StatusBadRequest || !strings.Contains(page.body, "169.254.169.254") {
		t.Errorf("the address itself: status %d", page.status)
	}
}

// literal aims all calls at an address, as a gateway stored before such addresses were refused.
func (e *estate) literal(gateway string) {
	e.t.Helper()
	to, err := url.Parse(gateway)
	must(e.t, err)
	e.serveWith(func(s *server) {
		inner := s.tries.transport
		s.tries.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			r.URL.Host = to.Host
			return inner.RoundTrip(r)
		})
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// resolvingTo is a resolver for whose server every name has one address.
func resolvingTo(t *testing.T, address [4]byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(dnsAnswer(packet[:n], address), from)
		}
	}()
	t.Cleanup(func() {
		must(t, server.Close())
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// dnsAnswer answers a question for an A record, and any other with nothing (RFC 1035).
func dnsAnswer(query []byte, address [4]byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	if binary.BigEndian.Uint16(query[end-4:]) != 1 {
		return answer
	}
	answer[7] = 1
	answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
	return append(answer, address[:]...)
}

func TestGatewayAway(t *testing.T) {
	e := newEstate(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_ = connection.Close()
		}
	}()
	defer func() { must(t, listener.Close()) }()
	e.gatewayAt("sandbox", "http://"+listener.Addr().String(), nil)
	page := e.loggedIn(acmeAdmin).post(tried("listPayments"), url.Values{"key": {tryKey}})
	if page.status != http.StatusBadGateway || !strings.Contains(page.body, "cannot be reached from the portal") {
		t.Errorf("status %d", page.status)
	}
	e.absent("the key of a try", tryKey)
	if status, _ := callProblem(fmt.Errorf("read: %w", context.DeadlineExceeded), "Sandbox"); status != http.StatusGatewayTimeout {
		t.Errorf("too slow: %d", status)
	}
}

func TestTriesAtOnce(t *testing.T) {
	e := newEstate(t)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	e.gateway(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-goOn
	})
	b, other := e.loggedIn(acmeAdmin), e.loggedIn(acmeView)
	statuses := make(chan int, triesAtOnce+1)
	send := func(b *browser) { statuses <- b.post(tried("listPayments"), url.Values{"key": {tryKey}}).status }
	for range triesAtOnce {
		go send(b)
		<-arrived
	}
	page := b.post(tried("listPayments"), url.Values{"key": {tryKey}})
	if page.status != http.StatusTooManyRequests || page.header.Get("Retry-After") == "" {
		t.Errorf("one more: status %d", page.status)
	}
	go send(other)
	<-arrived
	close(goOn)
	for range triesAtOnce + 1 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
}

func TestTriesInAMinute(t *testing.T) {
	tries := newTries(nil)
	for i := range triesMinute {
		end := tries.begin(acmeAdmin, noon)
		if end == nil {
			t.Fatalf("the %dth is refused", i+1)
		}
		end()
	}
	if tries.begin(acmeAdmin, noon.Add(59*time.Second)) != nil || tries.begin(acmeView, noon) == nil {
		t.Error("there is no limit for each member")
	}
	if tries.begin(acmeAdmin, noon.Add(time.Minute)) == nil {
		t.Error("it is refused after a minute")
	}
	tries.forget(noon.Add(3 * time.Minute))
	if len(tries.members) != 2 { // those whose calls have not ended
		t.Errorf("%d members are remembered", len(tries.members))
	}
}

// TestAnswersThatAreNone has a gateway that answers what is no answer, or quotes the key where an error does.
func TestAnswersThatAreNone(t *testing.T) {
	e := newEstate(t)
	var says atomic.Value
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	e.t.Cleanup(func() { must(t, listener.Close()) })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			e.t.Cleanup(func() { _ = connection.Close() }) // by then the portal has, too
			if _, err = http.ReadRequest(bufio.NewReader(connection)); err == nil {
				_, err = io.WriteString(connection, says.Load().(string))
			}
			if err != nil {
				e.t.Error(err)
			}
		}
	}()
	e.gatewayAt("sandbox", "http://"+listener.Addr().String(), nil)
	b := e.loggedIn(acmeAdmin)
	for answer, want := range map[string]int{
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n": http.StatusOK, // and the connection stays
		"HTTP/1.1 200 OK\r\n" + tryKey + "\r\n\r\n":                                        http.StatusBadGateway,
		tryKey + "\r\n\r\n": http.StatusBadGateway,
	} {
		says.Store(answer)
		page := b.post(tried("listPayments"), url.Values{"key": {tryKey}})
		if page.status != want || strings.Contains(page.body, tryKey) {
			t.Errorf("%.30q: status %d\n%s", answer, page.status, page.body)
		}
	}
	e.absent("the key of a try", tryKey)
}
