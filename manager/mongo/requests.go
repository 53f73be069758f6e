package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/partnergate/partnergate/manager"
)

// defaultPage is the length of a page for which no limit was given.
const defaultPage = 100

// request is one logged decision. What a client chose need not be UTF-8.
type request struct {
	ID            bson.ObjectID `bson:"_id"`
	Time          int64         `bson:"time"`
	RequestID     []byte        `bson:"request_id"`
	Partner       string        `bson:"partner"`
	Application   string        `bson:"application"`
	Product       string        `bson:"product"`
	Environment   string        `bson:"environment"`
	Operation     string        `bson:"operation"`
	Outcome       string        `bson:"outcome"`
	Credential    string        `bson:"credential"`
	Method        []byte        `bson:"method"`
	Path          []byte        `bson:"path"`
	Status        int           `bson:"status"`
	Limit         string        `bson:"limit"`
	PolicyVersion int64         `bson:"policy_version"`
	Proxy         string        `bson:"proxy"`
}

func storedRequest(r *manager.RequestRecord) request {
	k := &r.Key
	return request{ID: bson.NewObjectID(), Time: micros(r.Time), RequestID: []byte(r.RequestID), Partner: k.Partner, Application: k.Application,
		Product: k.Product, Environment: k.Environment, Operation: k.Operation, Outcome: k.Outcome, Credential: r.Credential,
		Method: []byte(r.Method), Path: []byte(r.Path), Status: r.Status, Limit: r.Limit, PolicyVersion: r.PolicyVersion, Proxy: r.Proxy}
}

func (r *request) read() manager.RequestRecord {
	return manager.RequestRecord{Time: fromMicros(r.Time), RequestID: string(r.RequestID),
		Key: manager.UsageKey{Partner: r.Partner, Application: r.Application, Product: r.Product, Environment: r.Environment,
			Operation: r.Operation, Outcome: r.Outcome},
		Credential: r.Credential, Method: string(r.Method), Path: string(r.Path), Status: r.Status, Limit: r.Limit,
		PolicyVersion: r.PolicyVersion, Proxy: r.Proxy}
}

func (s *Store) addRequests(ctx context.Context, records []manager.RequestRecord) error {
	if len(records) == 0 {
		return nil
	}
	documents := make([]request, len(records))
	for i := range records {
		documents[i] = storedRequest(&records[i])
	}
	_, err := s.in(requestCollection).InsertMany(ctx, documents)
	return err
}

// Requests implements manager.UsageStore. Among equal times, what was stored
// later is newer. A zero From or To is no bound; a Limit below 1 means 100.
func (s *Store) Requests(ctx context.Context, q manager.RequestQuery) (*manager.RequestPage, error) {
	if q.Limit < 1 {
		q.Limit = defaultPage
	}
	var f filter
	for i, word := range words(&q.Match) {
		f.given(wordNames[i], word)
	}
	if q.RequestID != "" {
		f.add("request_id", []byte(q.RequestID))
	}
	f.between("time", q.From, q.To)
	if err := f.beyond(q.Cursor); err != nil {
		return nil, err
	}
	var stored []request
	err := s.call(ctx, "list requests", func(ctx context.Context) (err error) {
		stored, err = all[request](ctx, s, requestCollection, f.conditions(), newestFirst(q.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	page := &manager.RequestPage{}
	if len(stored) > q.Limit { // one more than asked for tells that there is a next page
		stored = stored[:q.Limit]
		last := stored[q.Limit-1]
		page.Next = position{last.Time, last.ID}.cursor()
	}
	for i := range stored {
		page.Items = append(page.Items, stored[i].read())
	}
	return page, nil
}
