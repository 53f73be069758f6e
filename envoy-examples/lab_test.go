package envoyexamples

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager/client"
)

// lab is one Envoy with a listener for each way to run the filters that no example shows: in shadow, as three modules, with faults,
// set up wrongly. All stand in front of one upstream, which does what streams, upgrades and resets need.
type lab struct {
	*backend
	envoy     *Envoy
	access    AccessLog
	upstream  *labUpstream
	listeners map[string]string // addresses by name
	keys      map[string]string // by partner
	version   int64
	made      int // partners, for tests that spend a quota
	dir       string
}

const labHost = "lab.api.localhost"

var sharedLab = &once[*lab]{start: startLab, end: (*lab).stop}

// labSlots is how many requests each partner of the lab may have in flight.
const labSlots = 8

// labPartners are the lab's. A partner with slots has its share of them at each proxy at which it called in the last ten minutes, so
// who takes them all calls at one listener only.
var labPartners = []string{"lab-plain", "lab-slots", "lab-shadow", "lab-faults", "lab-route", "lab-capacity"}

func labEstate() string {
	const api = "apiVersion: partnergate.dev/v1alpha1\n"
	get := func(name string) string {
		return "/lab/" + name + ": {get: {operationId: " + name + `, responses: {"200": {description: ok}}}}`
	}
	const echo = `/lab/echo: {post: {operationId: echo, responses: {"200": {description: ok}}}}`
	documents := []string{
		api + "kind: Plan\nmetadata: {name: lab-slots}\nspec: {limits: [{name: in-flight, concurrency: {requests: " + strconv.Itoa(labSlots) + "}}]}\n",
		api + "kind: Plan\nmetadata: {name: lab-quota}\nspec: {limits: [{name: monthly, quota: {requests: " + strconv.Itoa(labQuota) + ", per: month}}]}\n",
		api + "kind: Plan\nmetadata: {name: lab-open}\nspec: {limits: []}\n",
		labProduct("lab", "", get("ping"), get("download"), get("socket"), get("hang"), get("reset"), get("cut"), echo),
		labProduct("lab-scarce", ", capacity: {requests: 1, per: hour}", get("scarce")),
	}
	for _, partner := range labPartners {
		plan, product := "lab-slots", "lab"
		if partner == "lab-capacity" {
			plan, product = "lab-open", "lab-scarce"
		}
		documents = append(documents, labPartner(partner, product, plan))
	}
	return strings.Join(documents, "---\n")
}

// labPartner is a partner with an application and a subscription.
func labPartner(name, product, plan string) string {
	const api = "apiVersion: partnergate.dev/v1alpha1\n"
	return api + "kind: Partner\nmetadata: {name: " + name + "}\nspec: {}\n---\n" +
		api + "kind: Application\nmetadata: {name: app, partner: " + name + "}\nspec: {}\n---\n" +
		api + "kind: Subscription\nmetadata: {name: lab, partner: " + name + "}\nspec: {product: " + product + ", environment: sandbox, plan: " + plan + "}\n"
}

// labQuota is how many requests a month the plan lab-quota has. A month seldom ends while tests run.
const labQuota = 50

func labProduct(name, more string, paths ...string) string {
	return "apiVersion: partnergate.dev/v1alpha1\nkind: Product\nmetadata: {name: " + name + "}\nspec: {environments: {sandbox: {hosts: [" + labHost + "]}}" + more +
		", openapi: {openapi: 3.1.0, info: {title: Lab, version: \"1\"}, paths: {" + strings.Join(paths, ", ") + "}}}\n"
}

func startLab() (l *lab, err error) {
	l = &lab{keys: map[string]string{}, upstream: &labUpstream{}}
	if l.backend = sharedBackend.value; l.backend == nil {
		return nil, errors.New("start the shared backend first")
	}
	if l.dir, err = os.MkdirTemp("", "partnergate-lab-"); err != nil {
		return nil, err
	}
	l.upstream.Server = httptest.NewServer(l.upstream)
	if err := l.fill(); err != nil {
		return nil, err
	}
	faulty := filepath.Join(l.dir, "faulty.wasm")
	build := exec.Command("go", "build", "-tags", "faultinjection", "-buildmode=c-shared", "-o", faulty, "../filters/modules/partnergate")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the module with faults: %w\n%s", err, out)
	}
	bootstrap, err := l.bootstrap()
	if err != nil {
		return nil, err
	}
	config := labConfig(faulty, bootstrap, l.port(), l.upstream.Listener.Addr().String())
	l.envoy, err = Launch(context.Background(), Options{Config: []byte(config), EdgeToken: edgeToken, AccessLog: &l.access})
	if err != nil {
		return nil, err
	}
	l.listeners = l.envoy.Addresses()
	return l, nil
}

// fill applies the lab's estate and makes its keys.
func (l *lab) fill() error {
	if _, err := l.applyYAML(context.Background(), labEstate()); err != nil {
		return err
	}
	for _, partner := range labPartners {
		key, err := l.CreateKey(context.Background(), partner, "app", "sandbox", "")
		if err != nil {
			return err
		}
		l.keys[partner], l.version = key.Key, key.PolicyVersion
	}
	return nil
}

// bootstrap is the policy as it stands in the filters' configuration, dated as if it had been exported two minutes ago.
func (l *lab) bootstrap() (string, error) {
	proxy, err := client.New(l.url(), edgeToken)
	if err != nil {
		return "", err
	}
	snapshot, err := proxy.Snapshot(context.Background())
	if err != nil {
		return "", err
	}
	exported := time.Now().Add(-2 * time.Minute)
	return base64.StdEncoding.EncodeToString(policy.Bootstrap(snapshot, exported.UnixMilli(), []string{edgeToken})), nil
}

func (l *lab) stop() error {
	err := l.envoy.Stop()
	l.upstream.Close()
	return errors.Join(err, os.RemoveAll(l.dir))
}

// getLab returns the lab once each of its listeners that can decides by the policy.
func getLab(t *testing.T) *lab {
	t.Helper()
	module(t)
	sharedBackend.get(t)
	l := sharedLab.get(t)
	l.awaitPolicy(t, l.version, l.listeners["plain"], l.listeners["singles"], l.listeners["faults"])
	return l
}

// call asks a listener for a path with a partner's key, without one for "".
func (l *lab) call(t testing.TB, listener, partner, path string, headers ...string) answer {
	t.Helper()
	if partner != "" {
		headers = append(headers, "x-api-key: "+l.keys[partner])
	}
	a, err := askPatiently(l.listeners[listener], request{method: http.MethodGet, target: path, host: labHost, headers: headers}, func(answer) {})
	if err != nil {
		t.Fatalf("%s %s: %v", listener, path, err)
	}
	return a
}

// labUpstream answers the lab's calls.
type labUpstream struct {
	*httptest.Server
	reached atomic.Int64 // requests that came
	open    atomic.Int64 // that are not answered whole yet
}

func (u *labUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.reached.Add(1)
	u.open.Add(1)
	defer u.open.Add(-1)
	switch r.URL.Path {
	case "/lab/echo":
		u.echo(w, r)
	case "/lab/download":
		u.download(w, r)
	case "/lab/socket":
		u.upgrade(w, r)
	case "/lab/hang":
		<-r.Context().Done()
	case "/lab/reset", "/lab/cut":
		u.reset(w, r)
	default:
		if err := json.NewEncoder(w).Encode(r.Header); err != nil {
			return // the client has gone
		}
	}
}

// withQuota makes a partner with the plan lab-quota, all of it left, and returns its name when every listener knows it.
func (l *lab) withQuota(t testing.TB) (partner string) {
	t.Helper()
	l.made++
	partner = fmt.Sprintf("lab-quota-%d", l.made)
	if _, err := l.applyYAML(t.Context(), labPartner(partner, "lab", "lab-quota")); err != nil {
		t.Fatal(err)
	}
	key := l.key(t, partner, "app", "sandbox")
	l.keys[partner], l.version = key.Key, key.PolicyVersion
	l.awaitAcknowledged(t, l.version)
	return partner
}
