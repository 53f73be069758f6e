package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
)

// Managers are the addresses, host:port, of the connections that managers have to
// the primary for this database, in order. Each manager has several, and a
// server may take a moment to see that one has ended. What another user than
// the store's has connected is not among them. An error may mean that the server
// does not permit the question.
func (s *Store) Managers(ctx context.Context) ([]string, error) {
	var found []struct {
		Client string `bson:"_id"`
	}
	err := s.call(ctx, "ask which managers are connected", func(ctx context.Context) error {
		cursor, err := s.admin().Aggregate(ctx, driver.Pipeline{
			{{Key: "$currentOp", Value: bson.D{{Key: "idleConnections", Value: true}}}},
			{{Key: "$match", Value: bson.D{
				{Key: "appName", Value: managerApp + s.db.Name()}, {Key: "client", Value: bson.D{{Key: "$type", Value: "string"}}},
			}}},
			{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$client"}}}},
			{{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}},
		})
		if err != nil {
			return err
		}
		return cursor.All(ctx, &found)
	})
	if err != nil {
		return nil, err
	}
	addresses := make([]string, len(found))
	for i, f := range found {
		addresses[i] = f.Client
	}
	return addresses, nil
}
