package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/mongo"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
	"github.com/partnergate/partnergate/manager/storetest"
)

// single is a replica set of one member, which all tests share.
var single *mongod.Set

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if single, err = mongod.Start(context.Background(), mongod.Options{}); err != nil {
		return 1, err
	}
	code = m.Run()
	if err := single.Stop(); err != nil {
		return 1, err
	}
	if code == 0 {
		err = goleak.Find()
	}
	return code, err
}

var databases atomic.Int64

// newURL names a database that is not there yet.
func newURL() string { return single.URL(fmt.Sprintf("test%d", databases.Add(1))) }

func opened(t *testing.T, url string) *mongo.Store {
	t.Helper()
	s, err := mongo.Open(context.WithoutCancel(t.Context()), url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// emptied holds the URLs of databases that a test has left; to empty one is
// quicker than to make one.
var emptied = make(chan string, 100)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Open {
		var url string
		select {
		case url = <-emptied:
		default:
			url = newURL()
		}
		t.Cleanup(func() {
			s := opened(t, url)
			if err := errors.Join(s.Reset(context.WithoutCancel(t.Context()), 0), s.Close()); err != nil {
				t.Error(err)
			}
			emptied <- url
		})
		return func(t *testing.T) manager.Store { return opened(t, url) }
	})
}
