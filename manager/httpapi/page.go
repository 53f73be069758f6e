package httpapi

import (
	"encoding/base64"
	"sort"

	"github.com/partnergate/partnergate/manager/rest"
)

// defaultPage is the length of a page for which no limit was given.
const defaultPage = 100

// pageOf cuts the page that the query asks for out of items, which are ordered
// by position. A cursor holds the position of the last item of its page, so
// that what comes or goes in between moves nothing.
func pageOf[T any](q *query, items []T, position func(T) string) (page []T, next string) {
	limit := q.limit()
	if limit == 0 {
		limit = defaultPage
	}
	from := 0
	if given := q.text("cursor"); given != "" {
		after, err := base64.RawURLEncoding.DecodeString(given)
		if err != nil {
			q.fail("cursor", "is none that a list has given; leave it out to start over")
			return nil, ""
		}
		from = sort.Search(len(items), func(i int) bool { return position(items[i]) > string(after) })
	}
	page = items[from:min(from+limit, len(items))]
	if from+limit < len(items) {
		next = base64.RawURLEncoding.EncodeToString([]byte(position(page[len(page)-1])))
	}
	return page, next
}

// answerOf is a page whose items are shown as the API shows them.
func answerOf[T, A any](items []T, next string, show func(T) A) rest.Page[A] {
	answer := rest.Page[A]{Items: []A{}, NextCursor: next}
	for _, item := range items {
		answer.Items = append(answer.Items, show(item))
	}
	return answer
}
