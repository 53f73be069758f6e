package portal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/partnergate/partnergate/manager"
)

// Bounds of a try.
const (
	tryTime     = 10 * time.Second // from the call to the end of its answer
	shownBytes  = 64 << 10         // of an answer's body
	headerBytes = 32 << 10         // of an answer's headers
	triesAtOnce = 3                // of a member
	triesMinute = 60               // of a member, in any minute
)

// tries are the calls to gateways that members make from the portal.
type tries struct {
	transport http.RoundTripper
	mu        sync.Mutex
	members   map[string]*memberTries
}

type memberTries struct {
	underWay int
	lately   []time.Time // begun within the last minute, oldest first
}

// newTries resolves gateways' names by resolver; nil is the machine's.
func newTries(resolver *net.Resolver) *tries {
	dialer := net.Dialer{Timeout: tryTime, Resolver: resolver, Control: permitted}
	return &tries{
		members: map[string]*memberTries{},
		transport: &http.Transport{ // no proxy: the address dialled is the gateway's
			DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: headerBytes,
		},
	}
}

// refusedAddress is what permitted refuses.
type refusedAddress struct{ address, kind string }

func (e *refusedAddress) Error() string { return e.address + " is " + e.kind }

// permitted looks at each address that is about to be dialled, when names are resolved.
func permitted(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %s cannot be read: %w", address, err)
	}
	if kind := manager.NoGatewayAddress(at.Addr()); kind != "" {
		return &refusedAddress{at.Addr().String(), kind}
	}
	return nil
}

// begin takes one of the member's tries, and returns what gives it back; nil
// where the member has to wait.
func (t *tries) begin(member string, now time.Time) (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	m := t.members[member]
	if m == nil {
		m = &memberTries{}
		t.members[member] = m
	}
	if m.underWay >= triesAtOnce || len(m.lately) >= triesMinute {
		return nil
	}
	m.underWay++
	m.lately = append(m.lately, now)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		m.underWay--
	}
}

// forget drops what is older than a minute, so that only members who try take room.
func (t *tries) forget(now time.Time) {
	for member, m := range t.members {
		m.lately = slices.DeleteFunc(m.lately, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
		if len(m.lately) == 0 && m.underWay == 0 {
			delete(t.members, member)
		}
	}
}

// called is what a gateway answered.
type called struct {
	status    int
	header    http.Header
	body      []byte // at most shownBytes
	cut       bool
	took      time.Duration
	requestID string // as the gateway has it, where it tells
}

// call sends a request and reads its answer, following nothing. Errors may quote
// what was answered, and so a key that was sent back.
func (t *tries) call(ctx context.Context, r *http.Request) (*called, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	r = r.WithContext(ctx)
	r.Header.Set("User-Agent", "partnergate-portal")
	r.Header.Set("X-Request-Id", newRequestID())
	begun := time.Now()
	response, err := t.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // only read
	key := r.Header.Get("X-Api-Key")
	var body []byte
	if response.StatusCode != http.StatusSwitchingProtocols { // after which there is no end, nor does the transport keep to tryTime
		body, err = io.ReadAll(io.LimitReader(response.Body, int64(shownBytes+len(key)+1))) // a key is found whole, or beyond what is shown
	}
	if err != nil {
		return nil, fmt.Errorf("the answer ended early: %w", err)
	}
	c := &called{status: response.StatusCode, header: response.Header, cut: len(body) > shownBytes, took: time.Since(begun), requestID: r.Header.Get("X-Request-Id")}
	c.body = bytes.ReplaceAll(body, []byte(key), []byte(hiddenKey))
	if len(c.body) > shownBytes {
		c.body = wholeRunes(c.body[:shownBytes])
	}
	for _, values := range c.header {
		for i := range values {
			values[i] = strings.ReplaceAll(values[i], key, hiddenKey)
		}
	}
	if id := c.header.Get("X-Request-Id"); id != "" {
		c.requestID = id
	}
	return c, nil
}

// hiddenKey stands where an upstream sent the key back, which it should not even have got.
const hiddenKey = "[your key]"

// wholeRunes leaves out the beginning of a rune at the end of a text.
func wholeRunes(text []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if start := len(text) - i; utf8.RuneStart(text[start]) {
			if !utf8.FullRune(text[start:]) {
				return text[:start]
			}
			break
		}
	}
	return text
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// refusal is the code and the request id of a gateway's refusal; no code where
// the answer is not one, but the upstream's.
func (c *called) refusal() (code, requestID string) {
	return manager.ReadRefusal(c.status, c.header.Get("Content-Type"), c.body)
}

// isText tells whether a body can be shown as it is.
func (c *called) isText() bool {
	return utf8.Valid(c.body) && !strings.ContainsFunc(string(c.body), func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' || r == 0x7f
	})
}

// callProblem says to a member why a call came to nothing, with the status of the page that says so.
func callProblem(err error, environment string) (status int, text string) {
	if refused, ok := errors.AsType[*refusedAddress](err); ok {
		return http.StatusBadRequest, "The gateway of " + environment + " leads to " + refused.address + ", " + refused.kind +
			", which the portal does not call. Tell the provider: spec.gateway of the environment has to name the gateway's own address."
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout, "The gateway of " + environment + " did not answer within 10 seconds. Whether it got your call, the request log tells."
	}
	return http.StatusBadGateway, "The gateway of " + environment + " cannot be reached from the portal, or its answer broke off. Try again in a minute; then tell the provider."
}
