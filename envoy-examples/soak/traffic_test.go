package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// call is a call and what became of it.
type call struct {
	id, lane       string
	to             *edge
	keys           []string // credentials, as sent
	environment    string   // of the host; "" for a host that nobody has
	operation      operation
	odd            bool // the path is not canonical
	partner        string
	query          string
	body           []byte
	content        string // type
	target         string // what is asked for where it is not the operation's path
	forged         bool   // it claims to be somebody else
	abandon        time.Duration
	sent, answered time.Time
	status         int
	outcome        string
	version        int64 // of the policy, where the answer tells
	written        int   // how often it was written to a connection
	err            error
}

// lane is a kind of traffic.
type lane struct {
	name    string
	every   time.Duration // between two calls; each client of the lane has this pace
	clients int
	next    func(*rand.Rand) *call
}

// traffic is all calls.
type traffic struct {
	slots  []*slot
	seed   uint64
	serial atomic.Int64
	lock   sync.Mutex
	calls  []*call
}

// run makes the lanes' calls until ctx ends.
func (t *traffic) run(ctx context.Context, lanes []lane) {
	var all sync.WaitGroup
	for i, l := range lanes {
		for n := range l.clients {
			random := rand.New(rand.NewPCG(t.seed, uint64(1000*(i+1)+n)))
			all.Go(func() { t.drive(ctx, l, random) })
		}
	}
	all.Wait()
}

func (t *traffic) drive(ctx context.Context, l lane, random *rand.Rand) {
	for {
		pause := l.every/2 + time.Duration(random.Int64N(int64(l.every)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		to := t.slots[random.IntN(len(t.slots))].current()
		c := l.next(random)
		if to == nil || c == nil {
			continue
		}
		c.lane, c.to, c.id = l.name, to, fmt.Sprintf("soak-%d", t.serial.Add(1))
		c.do()
		t.lock.Lock()
		t.calls = append(t.calls, c)
		t.lock.Unlock()
	}
}

// do makes the call and notes what comes.
func (c *call) do() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.abandon > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.abandon)
		defer cancel()
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { c.written++ }})
	c.sent = time.Now()
	response, err := c.to.client.Do(c.request(ctx))
	if err == nil {
		err = c.read(response)
	}
	c.answered, c.err = time.Now(), err
}

func (c *call) request(ctx context.Context) *http.Request {
	host := hosts[c.environment]
	if host == "" {
		host = "nobody.soak.test"
	}
	var body io.Reader
	if c.body != nil {
		body = io.NopCloser(&slowly{pieces: c.body}) // of no known length: it is sent in chunks
	}
	r, err := http.NewRequestWithContext(ctx, c.operation.method, c.to.URL()+"/", body)
	if err != nil {
		panic(err) // the URL is Envoy's own
	}
	r.Host = host
	target := c.operation.path
	if c.target != "" {
		target = c.target
	}
	r.URL.Opaque = target // sent as it is
	r.URL.RawQuery = c.query
	r.Header.Set(markHeader, c.id)
	r.Header.Set("X-Request-Id", c.id)
	for _, key := range c.keys {
		r.Header.Add("X-Api-Key", key)
	}
	if c.forged {
		r.Header.Set("X-Partner-Id", "anchor")
		r.Header.Set("X-Partner-Subscription", "payments-sandbox")
	}
	if c.content != "" {
		r.Header.Set("Content-Type", c.content)
	}
	return r
}

// slowly gives a body in four pieces.
type slowly struct {
	pieces []byte
	given  int
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.given == 4 || len(s.pieces) == 0 {
		return 0, io.EOF
	}
	if s.given > 0 {
		time.Sleep(150 * time.Millisecond) // is what makes this client slow
	}
	n := copy(p, s.pieces[:min(len(s.pieces), 4096)])
	s.pieces, s.given = s.pieces[n:], s.given+1
	return n, nil
}

// read takes the answer in.
func (c *call) read(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // it is read
	if err != nil {
		return err
	}
	c.status = response.StatusCode
	switch message := response.Header.Get("Grpc-Message"); {
	case message != "":
		c.outcome, _, _ = strings.Cut(message, ": ")
	case response.Header.Get("Content-Type") == "application/problem+json":
		var p struct {
			Code    string `json:"code"`
			Version int64  `json:"policy_version"`
		}
		if err := json.Unmarshal(body, &p); err != nil {
			return err
		}
		c.outcome, c.version = p.Code, p.Version
	case c.status == http.StatusOK:
		c.outcome = "admitted"
		if c.content == "application/octet-stream" && !bytes.Equal(body, append(bytes.Clone(c.body), "ok"...)) {
			return errors.New("the stream came back changed")
		}
	}
	return nil
}

// lanes are the kinds of traffic, about 70 calls a second in all.
func lanes(o *operator) []lane {
	of := func(partner, environment string) []string { return o.keysOf(partner, environment)[:1] }
	plain := func(partner, environment string, op operation) *call {
		return &call{partner: partner, keys: of(partner, environment), environment: environment, operation: op}
	}
	environments := []string{"sandbox", "production", "staging"}
	return []lane{
		{"anchor", 200 * time.Millisecond, 2, func(r *rand.Rand) *call {
			op := []operation{listCharges, createCharge, getCharge, listFeeds, nowhere, listEntries}[r.IntN(6)]
			return plain("anchor", environments[r.IntN(3)], op)
		}},
		{"flips", 250 * time.Millisecond, 4, func(r *rand.Rand) *call { return flip(o, r) }},
		{"flood", 50 * time.Millisecond, 1, func(*rand.Rand) *call { return plain("flood", "sandbox", listCharges) }},
		{"minute", 350 * time.Millisecond, 1, func(*rand.Rand) *call { return plain("minute", "production", getCharge) }},
		{"budget", 400 * time.Millisecond, 1, func(*rand.Rand) *call { return plain("budget", "sandbox", listCharges) }},
		{"slots", 150 * time.Millisecond, 8, func(r *rand.Rand) *call {
			c := plain("slots", "staging", listCharges)
			c.query = fmt.Sprintf("ms=%d", 100+r.IntN(300))
			if r.IntN(20) == 0 {
				c.abandon = time.Duration(20+r.IntN(200)) * time.Millisecond
			}
			return c
		}},
		{"odd", 120 * time.Millisecond, 1, func(r *rand.Rand) *call { return odd(o, r) }},
		{"grpc", 300 * time.Millisecond, 1, func(r *rand.Rand) *call {
			c := plain("grpc", "sandbox", []operation{createCharge, nowhere, listFeeds}[r.IntN(3)])
			c.content = "application/grpc"
			if r.IntN(4) == 0 {
				c.keys, c.partner = nil, ""
			}
			return c
		}},
		{"streams", 200 * time.Millisecond, 2, func(r *rand.Rand) *call {
			c := plain("anchor", "sandbox", upload)
			c.content, c.body = "application/octet-stream", bytes.Repeat([]byte{byte('a' + r.IntN(26))}, 4*4096)
			return c
		}},
	}
}

// flip calls with any key that a partner was ever given, the last ones more often.
func flip(o *operator, r *rand.Rand) *call {
	partner, environment := flips[r.IntN(len(flips))], []string{"sandbox", "production"}[r.IntN(2)]
	keys := o.keysOf(partner, environment)
	key := keys[len(keys)-1-min(r.IntN(len(keys)), r.IntN(len(keys)))]
	op := []operation{listCharges, getCharge, listEntries}[r.IntN(3)]
	return &call{partner: partner, keys: []string{key}, environment: environment, operation: op}
}

// odd is a call that must be refused, or one that claims to be another's.
func odd(o *operator, r *rand.Rand) *call {
	c := &call{partner: "anchor", keys: o.keysOf("anchor", "sandbox")[:1], environment: "sandbox", operation: listCharges}
	switch r.IntN(9) {
	case 0:
		c.keys, c.partner = nil, ""
	case 1:
		c.keys, c.partner = []string{c.keys[0], c.keys[0]}, ""
	case 2:
		c.keys, c.partner = []string{c.keys[0][:len(c.keys[0])-1] + "!"}, ""
	case 3:
		c.keys, c.partner = []string{"pgk_sandbox_guessed"}, ""
	case 4:
		c.environment = "production" // with a key of the sandbox
	case 5:
		c.environment = ""
	case 6:
		c.odd, c.partner = true, ""
		c.target = []string{"/payments//charges", "/payments/../payments/charges", "/payments/%2e%2e/charges", "/payments/charges%2F", "/payments\\charges"}[r.IntN(5)]
	case 7:
		c.forged, c.keys, c.partner = true, o.keysOf("flood", "sandbox")[:1], "flood"
		c.operation = listFeeds // which anchor has, and flood has not
	default:
		c.forged = true
	}
	return c
}
