package mongo

import (
	"context"
	"encoding/base64"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/partnergate/partnergate/manager"
)

// defaultPage is the length of a page for which no limit was given.
const defaultPage = 100

// logged is a stored entry of a log, which reads as an Entry.
type logged[Stored, Entry any] interface {
	*Stored
	at() position
	read() Entry
}

// newest is a page of a log, and the cursor of the next page, where there is one.
func newest[Stored, Entry any, P logged[Stored, Entry]](ctx context.Context, s *Store, doing, collection string, filter bson.D, limit int) (page []Entry, next string, err error) {
	if limit < 1 {
		limit = defaultPage
	}
	var stored []Stored
	// One more than asked for tells that there is a next page.
	order := options.Find().SetSort(bson.D{{Key: "time", Value: -1}, {Key: "_id", Value: -1}}).SetLimit(int64(limit) + 1)
	err = s.call(ctx, doing, func(ctx context.Context) (err error) {
		stored, err = all[Stored](ctx, s, collection, filter, order)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(stored) > limit {
		stored = stored[:limit]
		next = P(&stored[limit-1]).at().cursor()
	}
	for i := range stored {
		page = append(page, P(&stored[i]).read())
	}
	return page, next, nil
}

// position is the place of an entry in a log; what is stored later never moves it.
type position struct {
	time int64
	id   bson.ObjectID
}

func (p position) cursor() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.time))
	return base64.RawURLEncoding.EncodeToString(append(b, p.id[:]...))
}

func parseCursor(cursor string) (p position, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 8+len(p.id) {
		return position{}, &manager.Error{
			Code:    manager.CodeInvalid,
			Message: "the cursor is not one that this store gave out",
			Fields:  []manager.Field{{Path: "cursor", Message: "take it unchanged from the page before, or leave it out to begin at the newest"}},
		}
	}
	copy(p.id[:], b[8:])
	p.time = int64(binary.BigEndian.Uint64(b))
	return p, nil
}
