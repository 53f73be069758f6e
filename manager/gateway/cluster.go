package gateway

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// managers sends each call to the next of the managers. One that does not
// answer is passed over for a while.
type managers struct {
	members []*member
	turn    atomic.Uint64
}

type member struct {
	http.Handler
	away atomic.Int64 // until when it is passed over, in Unix milliseconds
}

// passedOver is for how long.
const passedOver = 2 * time.Second

func newCluster(urls []string) (*managers, error) {
	c := &managers{}
	for _, u := range urls {
		forward, err := newForwarder(strings.TrimSpace(u))
		if err != nil {
			return nil, err
		}
		m := &member{Handler: forward}
		forward.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				m.away.Store(time.Now().Add(passedOver).UnixMilli())
			}
			unreachable(w, r, err)
		}
		c.members = append(c.members, m)
	}
	return c, nil
}

// ServeHTTP implements http.Handler. Where all are passed over, none is.
func (c *managers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().UnixMilli()
	next := c.members[c.turn.Add(1)%uint64(len(c.members))]
	for range c.members {
		if next.away.Load() <= now {
			break
		}
		next = c.members[c.turn.Add(1)%uint64(len(c.members))]
	}
	next.ServeHTTP(w, r)
}

// first is the first URL of a list.
func first(urls string) string {
	u, _, _ := strings.Cut(urls, ",")
	return u
}
