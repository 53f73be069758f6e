package estate_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/partnergate/partnergate/manager"
	"github.com/partnergate/partnergate/manager/estate"
	"github.com/partnergate/partnergate/manager/httpapi"
	"github.com/partnergate/partnergate/manager/mongo"
	"github.com/partnergate/partnergate/manager/mongo/mongod"
	"github.com/partnergate/partnergate/manager/sqlite"
	"github.com/partnergate/partnergate/portal"
)

const (
	adminToken = "admin-token-of-the-measurements-of-estates"
	edgeToken  = "edge-token-of-the-measurements-of-estates-"
	password   = "a password for measuring 1"
)

var admin = manager.Actor{Name: "measure", Owner: manager.OwnerFile}

// running is a whole manager on an estate: domain, store on disk, API and portal on a real port.
type running struct {
	*manager.Service
	estate   *estate.Estate
	store    manager.Store
	path     string // of the store: a file, or the name of a database
	registry *prometheus.Registry
	http     *httptest.Server
	stop     func() error
}

// onMongo measures on a MongoDB that is started for it, in place of SQLite: go test -bench Lists ./manager/estate -args -mongodb
var onMongo = flag.Bool("mongodb", false, "measure on MongoDB")

// database is what -mongodb starts.
var database *mongod.Set

func TestMain(m *testing.M) {
	flag.Parse()
	if *onMongo {
		var err error
		if database, err = mongod.Start(context.Background(), mongod.Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if shared.dir != "" {
		if err := errors.Join(shared.value.stop(), os.RemoveAll(shared.dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if database != nil {
		if err := database.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func openStore(ctx context.Context, path string) (manager.Store, error) {
	if database != nil {
		return mongo.Open(ctx, database.URL(strings.Trim(strings.NewReplacer("/", "_", ".", "_").Replace(path), "_")))
	}
	return sqlite.Open(ctx, path)
}

// shared is the large estate, made for the first measurement that needs it: it takes a while.
var shared struct {
	once  sync.Once
	dir   string
	value *running
	err   error
}

func large(b *testing.B) *running {
	b.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "partnergate-large-"); shared.err != nil {
			return
		}
		shared.value, shared.err = fill(generate(b, estate.Large), filepath.Join(shared.dir, "store.db"))
	})
	if shared.err != nil {
		b.Fatal(shared.err)
	}
	return shared.value
}

// fill makes a manager's store at path hold an estate.
func fill(e *estate.Estate, path string) (*running, error) {
	r, err := open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	r.estate = e
	if _, err := r.Apply(context.Background(), admin, e.Resources, manager.ApplyOptions{}); err != nil {
		return nil, err
	}
	if _, err := r.ImportCredentials(context.Background(), admin, e.Imports(), false); err != nil {
		return nil, err
	}
	return r, r.SetPassword(context.Background(), admin, partnerOf(e), estate.MemberEmail(0), password)
}

func partnerOf(e *estate.Estate) string { return e.Keys[0].Partner }

// open starts a manager on a store.
func open(ctx context.Context, path string) (*running, error) {
	store, err := openStore(ctx, path)
	if err != nil {
		return nil, err
	}
	r := &running{store: store, path: path, registry: prometheus.NewRegistry()}
	quiet := slog.New(slog.DiscardHandler)
	if r.Service, err = manager.NewService(ctx, manager.Config{Store: store, Logger: quiet, Metrics: manager.NewMetrics(r.registry)}); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	r.http = httptest.NewUnstartedServer(nil)
	pages, err := portal.New(portal.Config{Service: r.Service, AdminToken: adminToken, PublicURL: "http://" + r.http.Listener.Addr().String(), Logger: quiet})
	r.http.Config.Handler = httpapi.New(httpapi.Config{
		Service: r.Service, AdminToken: adminToken, EdgeTokens: []string{edgeToken}, Registry: r.registry, Logger: quiet, Portal: pages,
	})
	r.http.Start()
	r.stop = func() error {
		r.http.CloseClientConnections()
		r.Close()
		r.http.Close()
		return store.Close()
	}
	return r, err
}

// get asks the manager, and reads the answer to its end.
func (r *running) get(b testing.TB, client *http.Client, path string) int {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, r.http.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	if client == http.DefaultClient {
		request.Header.Set("Authorization", "Bearer "+adminToken)
	}
	answer, err := client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("%s: status %d, %v", path, answer.StatusCode, err)
	}
	return int(n)
}

// milliseconds is a time as a figure.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// call is one that its caller may make.
type call struct{ method, host, path, key string }

// callsOf are n calls, each with the key of another partner where there are so many.
func callsOf(e *estate.Estate, n int) (calls []call) {
	hosts := map[string]string{"sandbox": estate.SandboxHost, "production": estate.ProductionHost}
	for i := 0; len(calls) < n; i++ {
		key := e.Keys[i%len(e.Keys)]
		for _, s := range e.Held(key.Partner) {
			if s.Environment == key.Environment {
				calls = append(calls, call{http.MethodGet, hosts[s.Environment], "/" + s.Product + "/v1/accounts/4711", key.Key})
				break
			}
		}
	}
	return calls
}
