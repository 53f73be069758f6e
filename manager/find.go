package manager

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Query selects resources of one kind. Empty fields select all.
type Query struct {
	Kind    Kind
	Partner string // what this partner owns
	Text    string // in name or title, whatever the case
	State   State  // of partners and subscriptions
	Product string // of subscriptions that have not ended: to this product
	Within  *Grant // only what it may read
	Limit   int    // at most 500; 0 means 100
	Cursor  string // the Next of the page before, empty for the first
}

// Find lists what a query selects, ordered by partner and name.
func (s *Service) Find(_ context.Context, q Query) (*Page, error) {
	switch {
	case len(q.Text) > maxTitle:
		return nil, invalid("q", fmt.Sprintf("is longer than any title; give at most %d bytes", maxTitle))
	case q.Limit < 0 || q.Limit > maxPage:
		return nil, invalid("limit", fmt.Sprintf("%d is out of range; give 1 to %d", q.Limit, maxPage))
	case q.Limit == 0:
		q.Limit = defaultPage
	}
	after, err := readCursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	q.Text = strings.ToLower(q.Text)
	page := &Page{}
	for r := range s.current().after(&q, after) {
		if !q.selects(r) || !s.Sees(q.Within, r) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.Next = base64.RawURLEncoding.EncodeToString([]byte(cursorOf(page.Items[q.Limit-1])))
			break
		}
		page.Items = append(page.Items, r)
	}
	return page, nil
}

// selects tells whether a resource of the query's kind is one of those wanted; Text is in lower case.
func (q *Query) selects(r Resource) bool {
	return (q.State == "" || stateOf(r) == q.State) && (q.Product == "" || productOf(r) == q.Product && stateOf(r) != StateEnded) &&
		(q.Text == "" || strings.Contains(r.Meta().Name, q.Text) || strings.Contains(strings.ToLower(titleOf(r)), q.Text))
}

// after goes through the resources behind a position, in their order.
func (s *state) after(q *Query, position string) iter.Seq[Resource] {
	return func(yield func(Resource) bool) {
		for group := range s.groups(q, position) {
			for _, r := range group {
				if cursorOf(r) > position && !yield(r) {
					return
				}
			}
		}
	}
}

// groups are the resources that the query may select, in order, without most of what lies before position.
func (s *state) groups(q *Query, position string) iter.Seq[[]Resource] {
	owner, name, _ := strings.Cut(position, "\x00")
	switch {
	case q.Kind == KindSubscription && q.Product != "" && q.Partner == "":
		return one(s.look().subscribers[q.Product])
	case q.Kind == KindPartner && q.Partner == "":
		partners := s.look().partners
		return s.each(KindPartner, partners[sort.SearchStrings(partners, name):])
	case q.Partner == "" && (q.Kind == KindApplication || q.Kind == KindSubscription || q.Kind == KindCredential):
		partners := s.look().partners
		return s.each(q.Kind, partners[sort.SearchStrings(partners, owner):])
	}
	return one(s.list(q.Kind, q.Partner))
}

func one(group []Resource) iter.Seq[[]Resource] {
	return func(yield func([]Resource) bool) { yield(group) }
}

func (s *state) each(kind Kind, partners []string) iter.Seq[[]Resource] {
	return func(yield func([]Resource) bool) {
		for _, partner := range partners {
			if !yield(s.list(kind, partner)) {
				return
			}
		}
	}
}

// lookup orders what pages look through, so that none goes through the whole
// policy for itself. It is made once for each policy that somebody looks at.
type lookup struct {
	once        sync.Once
	partners    []string
	requested   []*Subscription
	ending      []*Credential         // that have an end and are not revoked, by their end
	subscribers map[string][]Resource // subscriptions that are not over, by product; by partner and name
}

// look returns the policy's lookup.
func (s *state) look() *lookup {
	s.lookup.once.Do(func() { s.lookup.make(s) })
	return s.lookup
}

func (x *lookup) make(s *state) {
	x.partners, x.subscribers = names(s.partners), map[string][]Resource{}
	for _, name := range x.partners {
		p := s.partners[name]
		for _, subscription := range p.subscriptions {
			if subscription.Spec.State == StateRequested {
				x.requested = append(x.requested, subscription)
			}
			if subscription.Spec.State != StateEnded {
				x.subscribers[subscription.Spec.Product] = append(x.subscribers[subscription.Spec.Product], subscription)
			}
		}
		for _, c := range p.credentials {
			if c.ExpiresAt != nil && c.RevokedAt == nil {
				x.ending = append(x.ending, c)
			}
		}
	}
	slices.SortFunc(x.requested, func(a, b *Subscription) int { return a.Metadata.UpdatedAt.Compare(b.Metadata.UpdatedAt) })
	slices.SortFunc(x.ending, func(a, b *Credential) int {
		return cmp.Or(a.ExpiresAt.Compare(*b.ExpiresAt), cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	for _, list := range x.subscribers {
		slices.SortFunc(list, func(a, b Resource) int { return cmp.Compare(cursorOf(a), cursorOf(b)) })
	}
}

// Waiting is what waits for somebody to decide.
type Waiting struct {
	Requested []*Subscription // longest first
	Ending    []*Credential   // keys without a successor that end soon, soonest first
}

// Waiting tells what waits for a decision within the grant: requested
// subscriptions, and keys that end within the time given.
func (s *Service) Waiting(g *Grant, within time.Duration) Waiting {
	x, now, w := s.current().look(), s.now(), Waiting{}
	for _, subscription := range x.requested {
		if s.Sees(g, subscription) {
			w.Requested = append(w.Requested, subscription)
		}
	}
	for _, c := range x.ending[sort.Search(len(x.ending), func(i int) bool { return x.ending[i].ExpiresAt.After(now) }):] {
		if c.ExpiresAt.Sub(now) > within {
			break
		}
		if c.RotatedTo == "" {
			w.Ending = append(w.Ending, c)
		}
	}
	return w
}

// Subscribers counts the subscriptions to a product that are not over.
func (s *Service) Subscribers(product string) int {
	return len(s.current().look().subscribers[product])
}
