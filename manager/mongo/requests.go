package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/partnergate/partnergate/manager"
)

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

func (r *request) at() position { return position{r.Time, r.ID} }

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
	var f filter
	for i, word := range words(&q.Match) {
		f.given(wordNames[i], word)
	}
	if q.RequestID != "" {
		f.add("request_id", []byte(q.RequestID))
	}
	f.between("time", q.From, q.To)
	err := f.beyond(q.Cursor)
	if err != nil {
		return nil, err
	}
	page := &manager.RequestPage{}
	page.Items, page.Next, err = newest[request, manager.RequestRecord](ctx, s, "list requests", requestCollection, f.conditions(), q.Limit)
	return page, err
}
