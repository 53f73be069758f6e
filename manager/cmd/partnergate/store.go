package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/mongo"
	"github.com/partnergate/partnergate/manager/sqlite"
)

// openForManager opens a store for a manager: a SQLite file for the only one.
func openForManager(ctx context.Context, url string) (manager.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return sqlite.OpenAlone(ctx, path)
	}
	return mongo.Open(ctx, url)
}

// openBeside opens a store on which managers may run.
func openBeside(ctx context.Context, url string) (manager.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return sqlite.Open(ctx, path)
	}
	return mongo.OpenForCommand(ctx, url)
}

// openAlone opens a store on which no manager runs, and refuses others. warn
// gets what could not be found out.
func openAlone(ctx context.Context, url string, warn func(string)) (manager.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return sqlite.OpenAlone(ctx, path)
	}
	store, err := mongo.OpenForCommand(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := noManagers(ctx, store, warn); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// leaving is how long managers may be seen that have just ended.
const leaving = 3 * time.Second

// connected is a store that knows who is connected to it.
type connected interface {
	Managers(ctx context.Context) ([]string, error)
}

func noManagers(ctx context.Context, store connected, warn func(string)) error {
	for until := time.Now().Add(leaving); ; {
		found, err := store.Managers(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			warn(fmt.Sprintf("MongoDB does not tell whether managers are connected to the store (%v); see to it that none is", err))
			return nil
		case len(found) == 0:
			return nil
		case time.Now().After(until):
			return fmt.Errorf("managers are connected to the store, from %s (a manager has several connections): "+
				"stop all managers, or name another database; nothing was changed", few(found))
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// few names the first addresses, and how many more there are.
func few(addresses []string) string {
	const most = 8
	if len(addresses) <= most {
		return strings.Join(addresses, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(addresses[:most], ", "), len(addresses)-most)
}
