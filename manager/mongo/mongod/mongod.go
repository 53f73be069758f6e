// Package mongod starts MongoDB on this machine, as a replica set, for tests
// and for the demo. It is no way to run a database that matters.
package mongod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	replicaSet   = "rs0"
	startTimeout = 3 * time.Minute // a second or two, where the machine is not busy
)

// Options say how Start starts a replica set.
type Options struct {
	Dir     string // keeps the data; empty is a temporary folder, removed by Stop
	Members int    // 1 when it is 0
	Port    int    // of the first member, the others follow; 0: any free ports
	Alone   bool   // no replica set but a single mongod
}

// Set is a running replica set. It ends with Stop, and, on Linux, with this process.
type Set struct {
	members []*member
	remove  string // folder to remove in the end
}

// Start starts a replica set and returns once it has a primary. Data of an
// earlier run in the same folder is found again, at other ports too.
func Start(ctx context.Context, o Options) (*Set, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	s := &Set{}
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "partnergate-mongod-"); err != nil {
			return nil, err
		}
		s.remove = o.Dir
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("mongod has no primary after %s", startTimeout))
	defer cancel()
	if err := s.start(ctx, binary, o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Set) start(ctx context.Context, binary string, o Options) error {
	for i := range max(o.Members, 1) {
		port := o.Port + i
		if o.Port == 0 {
			var err error
			if port, err = FreePort(ctx); err != nil {
				return err
			}
		}
		m := &member{binary: binary, dir: filepath.Join(o.Dir, strconv.Itoa(i)), port: port, alone: o.Alone}
		s.members = append(s.members, m)
		if err := m.start(); err != nil {
			return err
		}
	}
	for _, m := range s.members {
		if err := m.await(ctx, func(bson.M) bool { return true }); err != nil {
			return err
		}
	}
	if o.Alone {
		return nil
	}
	if err := s.initiate(ctx); err != nil {
		return err
	}
	return s.awaitPrimary(ctx)
}

// config is the replica set's. Elections are quick: nothing is far away here.
func (s *Set) config(version int32) bson.D {
	var members bson.A
	for i, m := range s.members {
		members = append(members, bson.D{{Key: "_id", Value: i}, {Key: "host", Value: m.address()}, {Key: "priority", Value: 1}})
	}
	return bson.D{
		{Key: "_id", Value: replicaSet}, {Key: "version", Value: version}, {Key: "members", Value: members},
		{Key: "settings", Value: bson.D{{Key: "electionTimeoutMillis", Value: 2000}, {Key: "heartbeatIntervalMillis", Value: 500}}},
	}
}

const (
	codeNotYetInitialized = 94
	codeInvalidMember     = 93 // its own address is not in the configuration that it has
)

// initiate makes the set, or tells one of an earlier run its new addresses.
func (s *Set) initiate(ctx context.Context) error {
	return s.members[0].direct(ctx, func(admin *mongo.Database) error {
		var now struct {
			Config struct {
				Version int32
				Members []struct{ Host string }
			}
		}
		err := admin.RunCommand(ctx, bson.D{{Key: "replSetGetConfig", Value: 1}}).Decode(&now)
		var failed mongo.CommandError
		switch {
		case errors.As(err, &failed) && failed.Code == codeNotYetInitialized:
			return admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: s.config(1)}}).Err()
		case err != nil && (!errors.As(err, &failed) || failed.Code != codeInvalidMember):
			return fmt.Errorf("read the configuration of the replica set: %w", err)
		}
		for i, m := range s.members {
			if i >= len(now.Config.Members) || now.Config.Members[i].Host != m.address() {
				command := bson.D{{Key: "replSetReconfig", Value: s.config(now.Config.Version + 1)}, {Key: "force", Value: true}}
				return admin.RunCommand(ctx, command).Err()
			}
		}
		return nil
	})
}

// awaitPrimary waits until the set can be written to.
func (s *Set) awaitPrimary(ctx context.Context) error {
	for {
		for _, m := range s.members {
			if hello, err := m.hello(ctx); err == nil && hello["isWritablePrimary"] == true {
				return nil
			}
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
	}
}

func (s *Set) pause(ctx context.Context) error {
	for _, m := range s.members {
		if err := m.pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pause waits a little; the process may end meanwhile.
func (m *member) pause(ctx context.Context) error {
	select {
	case <-m.exited:
		return m.died()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(30 * time.Millisecond):
		return nil
	}
}

// await waits until a member answers, and what it says is what is wanted.
func (m *member) await(ctx context.Context, wanted func(hello bson.M) bool) error {
	for {
		if hello, err := m.hello(ctx); err == nil && wanted(hello) {
			return nil
		}
		if err := m.pause(ctx); err != nil {
			return err
		}
	}
}

func (m *member) hello(ctx context.Context) (hello bson.M, err error) {
	err = m.direct(ctx, func(admin *mongo.Database) error {
		return admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	})
	return hello, err
}

// direct speaks to one member, whatever its part in the set is.
func (m *member) direct(ctx context.Context, speak func(admin *mongo.Database) error) error {
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + m.address()).SetDirect(true).
		SetServerSelectionTimeout(2 * time.Second))
	if err != nil {
		return err
	}
	err = speak(client.Database("admin"))
	return errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
}

// URL names the whole set and a database in it.
func (s *Set) URL(database string) string {
	addresses := make([]string, len(s.members))
	for i, m := range s.members {
		addresses[i] = m.address()
	}
	return "mongodb://" + strings.Join(addresses, ",") + "/" + database + "?replicaSet=" + replicaSet
}

// Exited is closed when the first member has ended, whoever ended it.
func (s *Set) Exited() <-chan struct{} { return s.members[0].exited }

// StepDown makes another member the primary; a set of one is without primary
// for about a second.
func (s *Set) StepDown(ctx context.Context) error {
	m, err := s.primary(ctx)
	if err != nil {
		return err
	}
	return m.direct(ctx, func(admin *mongo.Database) error {
		err := admin.RunCommand(ctx, bson.D{{Key: "replSetStepDown", Value: 1}, {Key: "force", Value: true}}).Err()
		if mongo.IsNetworkError(err) {
			return nil // a step down may close connections
		}
		return err
	})
}

// KillPrimary ends the primary as a power cut would, and returns what brings it back.
func (s *Set) KillPrimary(ctx context.Context) (restart func() error, err error) {
	m, err := s.primary(ctx)
	if err != nil {
		return nil, err
	}
	return m.start, m.kill()
}

func (s *Set) primary(ctx context.Context) (*member, error) {
	for _, m := range s.members {
		if hello, err := m.hello(ctx); err == nil && hello["isWritablePrimary"] == true {
			return m, nil
		}
	}
	return nil, errors.New("the replica set has no primary at this moment")
}

// Stop ends all members, and removes the data where Start made its folder.
func (s *Set) Stop() error {
	var errs []error
	for _, m := range s.members {
		if s.remove != "" && m.process != nil {
			errs = append(errs, m.kill()) // nobody needs its data
		} else {
			errs = append(errs, m.stop())
		}
	}
	if s.remove != "" {
		errs = append(errs, os.RemoveAll(s.remove))
	}
	return errors.Join(errs...)
}
