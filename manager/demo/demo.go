// Package demo runs the whole of Partnergate in one process, with a sample
// estate: a manager with its portal, two upstreams, and a gateway.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/lockfile"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
	"github.com/partnergate/partnergate/manager/server"
)

// The gateways that a demo can have.
const (
	Embedded = "embedded" // the filters in this process, behind the harness's host
	Envoy    = "envoy"    // the filters in the real Envoy
)

// MongoDB as Options.Store starts a mongod with its data in DataDir. On MongoDB,
// this or another, two managers serve the estate.
const MongoDB = "mongodb"

// Gateways are the values of Options.Gateway.
var Gateways = []string{Embedded, Envoy}

// Options say what the demo is made of.
type Options struct {
	DataDir    string // keeps tokens, logs, and, without Store, everything else
	Store      string // empty: a SQLite file in DataDir; MongoDB: a mongod of the demo's own; else a store's URL
	Gateway    string // one of Gateways
	Example    string // of envoy-examples: what is shown, and the configuration for Envoy
	ModulesDir string // holds partnergate.wasm
	Ports      Ports
	Out        io.Writer // what the user reads
	Progress   io.Writer // what happens while it starts; nil: nothing
	Color      bool      // Out is a terminal that shows colours
	Started    func(Facts)
}

// Facts are what a running demo tells about itself.
type Facts struct {
	ManagerURL string
	SecondURL  string // of the second manager; empty where there is none
	GatewayURL string
	AdminToken string
	Passwords  map[string]string // by email
	Keys       []Key
}

// Run starts everything, tells how to use it, and ends everything when ctx
// does or a part fails.
func Run(ctx context.Context, o Options, wiring server.Wiring) error {
	d, err := prepare(o)
	if err != nil {
		return err
	}
	defer d.leave()
	err = d.start(ctx, wiring)
	if err == nil {
		d.announce()
		err = d.wait(ctx)
	}
	if err != nil && ctx.Err() != nil {
		d.logger.Info("ended while starting", "error", err)
		err = nil // that it should end is no failure
	}
	return errors.Join(err, d.stop())
}

// demo is a demo on its way.
type demo struct {
	Options
	dir     string // absolute
	scene   *scene
	state   *state
	lock    *lockfile.Lock // of the folder
	logFile *os.File
	logger  *slog.Logger
	facts   Facts
	servers []*server.Server
	mongod  bool   // the demo started it
	parts   []part // running, in the order of their start
}

// part is something that runs until it is stopped.
type part struct {
	name string
	done <-chan struct{}
	stop func() error
}

func prepare(o Options) (*demo, error) {
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the demo's data: %w; choose another with --data", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	d, err := prepareIn(dir, o)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	d.lock = lock
	return d, nil
}

// lockFolder keeps a second demo from taking the keys and tokens of the first.
func lockFolder(dir string) (*lockfile.Lock, error) {
	lock, err := lockfile.Take(filepath.Join(dir, "demo.lock"))
	var held *lockfile.HeldError
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("another demo (%s) has its data in the folder %s: end it; or, for a second one beside it, give a folder of its own with --data, and other ports with --port-offset",
			held.Holder, dir)
	case err != nil:
		return nil, fmt.Errorf("%w; choose another folder with --data", err)
	}
	return lock, nil
}

func prepareIn(dir string, o Options) (*demo, error) {
	state, err := loadState(filepath.Join(dir, "demo.json"))
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "demo.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the demo's log: %w", err)
	}
	if o.Store == "" {
		o.Store = "sqlite://" + filepath.Join(dir, "demo.db")
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return &demo{Options: o, dir: dir, scene: sceneOf(o.Example), state: state, logFile: file, logger: slog.New(slog.NewJSONHandler(file, nil))}, nil
}

// leave gives back what prepare took.
func (d *demo) leave() {
	_ = d.logFile.Close() // what could be written is written
	_ = d.lock.Release()  // the process ends anyway
}

func (d *demo) start(ctx context.Context, wiring server.Wiring) error {
	if err := d.Ports.check(d.Gateway, d.managers(), d.Store == MongoDB); err != nil {
		return err
	}
	if err := d.startStore(ctx); err != nil {
		return err
	}
	d.progress("Starting the manager and two upstreams …")
	payments, err := d.startUpstream("payments", "--payments-port", d.Ports.Payments)
	if err != nil {
		return err
	}
	risk, err := d.startUpstream("risk", "--risk-port", d.Ports.Risk)
	if err != nil {
		return err
	}
	if err := d.startManagers(ctx, wiring); err != nil {
		return err
	}
	if d.Gateway == Envoy {
		d.progress("Starting Envoy; compiling the filters takes it some seconds …")
		err = d.startEnvoy(ctx, payments, risk)
	} else {
		d.progress("Starting the gateway; compiling the filters takes some seconds the first time …")
		err = d.startEmbedded(ctx, payments, risk)
	}
	if err != nil {
		return err
	}
	version, err := d.fill(ctx)
	if err != nil {
		return err
	}
	return d.awaitAnswers(ctx, version)
}

func (d *demo) progress(line string) {
	_, _ = fmt.Fprintln(d.Progress, line) // only for comfort
}

// startStore starts the mongod that the demo keeps its data in, where it is to.
func (d *demo) startStore(ctx context.Context) error {
	if d.Store != MongoDB {
		return nil
	}
	d.progress("Starting mongod …")
	set, err := mongod.Start(ctx, mongod.Options{Dir: filepath.Join(d.dir, "mongodb"), Port: d.Ports.MongoDB})
	if err != nil {
		return err
	}
	d.mongod, d.Store = true, set.URL("partnergate")
	d.parts = append(d.parts, part{"mongod", set.Exited(), set.Stop})
	return nil
}

// managers is how many there are: several can share MongoDB.
func (d *demo) managers() int {
	if strings.HasPrefix(d.Store, MongoDB) {
		return 2
	}
	return 1
}

func (d *demo) startManagers(ctx context.Context, wiring server.Wiring) error {
	if err := d.startManager(ctx, wiring, "manager", "--manager-port", d.Ports.Manager); err != nil {
		return err
	}
	d.facts.ManagerURL, d.facts.AdminToken = d.servers[0].URL(), d.state.AdminToken
	if d.managers() == 1 {
		return nil
	}
	if err := d.startManager(ctx, wiring, "second manager", "--second-manager-port", d.Ports.SecondManager); err != nil {
		return err
	}
	d.facts.SecondURL = d.servers[1].URL()
	return nil
}

func (d *demo) startManager(ctx context.Context, wiring server.Wiring, name, flag string, port int) error {
	s, err := server.Start(ctx, server.Settings{
		Listen: loopback(port), Store: d.Store, ModulesDir: d.existingModules(),
		AdminToken: d.state.AdminToken, EdgeToken: d.state.EdgeToken,
	}, wiring, d.logger.With("part", name))
	if err != nil {
		return d.Ports.explain(err, name, flag, port)
	}
	d.servers = append(d.servers, s)
	d.parts = append(d.parts, part{"the " + name, s.Done(), s.Stop})
	// The gateways of an earlier run have ended, or their ports would be taken:
	// what they held need not be waited for.
	s.Service().GiveUpProxies()
	return nil
}

// existingModules leaves the complaint about a missing folder to the gateway, which says what to build.
func (d *demo) existingModules() string {
	if info, err := os.Stat(d.ModulesDir); err != nil || !info.IsDir() {
		return ""
	}
	return d.ModulesDir
}

// wait returns when ctx ends, or with an error when a part has ended by itself.
func (d *demo) wait(ctx context.Context) error {
	ended := make(chan string, len(d.parts))
	for _, p := range d.parts {
		go func() {
			select {
			case <-p.done:
				ended <- p.name
			case <-ctx.Done():
			}
		}()
	}
	select {
	case <-ctx.Done():
		d.progress("\nEnding …")
		return nil
	case name := <-ended:
		return fmt.Errorf("%s has ended by itself; %s tells why", name, d.logFile.Name())
	}
}

// stop ends what was started, last first: the gateway still sends what it
// counted to the manager.
func (d *demo) stop() error {
	var errs []error
	for i := len(d.parts) - 1; i >= 0; i-- {
		if err := d.parts[i].stop(); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", d.parts[i].name, err))
		}
	}
	return errors.Join(errs...)
}
func (d *demo) service() *manager.Service { return d.servers[0].Service() }
