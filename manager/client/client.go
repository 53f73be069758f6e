// Package client speaks the admin API of a manager.
package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager/rest"
)

// Client speaks to one manager. It is safe for concurrent use.
type Client struct {
	base  string // without a slash at its end
	token string
	http  *http.Client
}

// Timeouts of a call; the longest that a manager takes on purpose is a wait of 25 s.
const (
	timeout       = 60 * time.Second
	estateTimeout = 10 * time.Minute // for what brings a whole estate, with its upload
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// New returns a client of the manager at baseURL, such as http://127.0.0.1:8080.
func New(baseURL, token string) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("the manager's URL %q is not an http or https URL such as http://127.0.0.1:8080; set PARTNERGATE_URL or --url", baseURL)
	}
	base := u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/")
	return &Client{base: base, token: token, http: &http.Client{CheckRedirect: keepToken}}, nil
}

// keepToken refuses redirects: the API sends none, and the token goes nowhere else.
func keepToken(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Problem is a refusal by the manager.
type Problem struct{ rest.Problem }

// Error implements error.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	for _, f := range p.Errors {
		if said := f.String(); said != p.Detail {
			b.WriteString("\n  ")
			b.WriteString(said)
		}
	}
	return b.String()
}

// call is one request to the API.
type call struct {
	method string
	path   []string // segments after /api/v1, escaped here
	query  url.Values
	body   any // sent as JSON; nil: no body
	header http.Header

	estate bool                    // the body is a whole estate: it is compressed, and may take long
	sent   func(sent, total int64) // told now and then how much of the body is on its way; may be nil
}

// do sends c and decodes the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, r call, out any) error {
	bound := timeout
	if r.estate {
		bound = estateTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	request, err := c.request(ctx, r)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return c.unreachable(err)
	}
	if response.StatusCode >= 300 {
		return c.problem(response, body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("the answer of %s is not what a manager answers (%w); check PARTNERGATE_URL", c.base, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, r call) (*http.Request, error) {
	target := c.base + "/api/v1"
	for _, segment := range r.path {
		target += "/" + url.PathEscape(segment)
	}
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	body, err := r.encode()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.sent != nil {
		request.Body = &counted{Reader: bytes.NewReader(body), total: int64(len(body)), sent: r.sent}
	}
	if r.estate {
		request.Header.Set("Content-Encoding", "gzip")
	}
	for name, values := range r.header {
		request.Header[name] = values
	}
	if r.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.token)
	return request, nil
}

// encode is the body as it is sent; nil where there is none.
func (r *call) encode() ([]byte, error) {
	if r.body == nil {
		return nil, nil
	}
	encoded, err := json.Marshal(r.body)
	if err != nil || !r.estate {
		return encoded, err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(encoded)
	err = errors.Join(err, w.Close())
	return packed.Bytes(), err
}

// counted is a body that tells how much of it has been read.
type counted struct {
	io.Reader
	read, total int64
	sent        func(sent, total int64)
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	c.sent(c.read, c.total)
	return n, err
}

// Close implements io.Closer.
func (c *counted) Close() error { return nil }

// unreachable says what to do where there is no answer. The URL in err is left
// out: it may be long, and the base says enough.
func (c *Client) unreachable(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("the manager at %s does not answer (%w); start it with `partnergate serve`, or set PARTNERGATE_URL or --url to where it runs", c.base, op.Err)
	}
	return fmt.Errorf("the call to the manager at %s failed: %w", c.base, err)
}

func (c *Client) problem(response *http.Response, body []byte) error {
	p := &Problem{}
	if err := json.Unmarshal(body, p); err != nil || p.Detail == "" {
		return fmt.Errorf("%s answered %s, and not as a manager does; check PARTNERGATE_URL", c.base, response.Status)
	}
	p.Status = response.StatusCode
	if p.Status == http.StatusUnauthorized {
		p.Detail = fmt.Sprintf("the manager at %s refused the admin token; set PARTNERGATE_ADMIN_TOKEN to the token with which it was started, or to a named one that is valid: %s", c.base, p.Detail)
	}
	if p.Status >= http.StatusInternalServerError {
		p.Detail += " (request id " + p.RequestID + ")"
	}
	return p
}
