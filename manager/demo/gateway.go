package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager/gateway"
)

func (d *demo) startEmbedded(ctx context.Context, payments, risk int) error {
	g, err := gateway.Start(ctx, gateway.Options{
		Listen: loopback(d.Ports.Gateway), ManagerURL: d.managerURLs(), EdgeToken: d.state.EdgeToken,
		Upstreams: []gateway.Upstream{
			{Prefix: "/", URL: "http://" + loopback(payments)},
			{Prefix: "/risk", URL: "http://" + loopback(risk)},
		},
		ModulesDir: d.ModulesDir, CacheDir: filepath.Join(d.dir, "cache"), NodeID: "demo",
		Logger: d.logger.With("part", "gateway"),
	})
	if err != nil {
		return err
	}
	d.facts.GatewayURL = g.URL()
	d.parts = append(d.parts, part{"the gateway", g.Done(), g.Stop})
	return nil
}

func (d *demo) startEnvoy(ctx context.Context, payments, risk int) error {
	log, err := os.OpenFile(filepath.Join(d.dir, "envoy.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open Envoy's log: %w", err)
	}
	access, err := os.OpenFile(filepath.Join(d.dir, "access.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("open the access log: %w", err), log.Close())
	}
	module, err := filepath.Abs(filepath.Join(d.ModulesDir, gateway.Module))
	if err != nil {
		return errors.Join(err, log.Close(), access.Close())
	}
	envoy, err := envoyexamples.Launch(ctx, envoyexamples.Options{
		Example: d.Example, EdgeToken: d.state.EdgeToken, AccessLog: access, Log: log,
		Places: envoyexamples.Places{Listener: d.Ports.Gateway, Admin: d.Ports.EnvoyAdmin, Manager: portOf(d.facts.ManagerURL),
			Second: portOf(d.facts.SecondURL), Payments: payments, Risk: risk, Module: module},
	})
	if err != nil {
		return errors.Join(err, log.Close(), access.Close())
	}
	d.facts.GatewayURL = envoy.URL()
	d.parts = append(d.parts, part{"Envoy", envoy.Exited(), func() error {
		return errors.Join(envoy.Stop(), log.Close(), access.Close())
	}})
	return nil
}

// managerURLs are all of them, separated by commas.
func (d *demo) managerURLs() string {
	urls := make([]string, len(d.servers))
	for i, s := range d.servers {
		urls[i] = s.URL()
	}
	return strings.Join(urls, ",")
}

// portOf is the port of a manager's URL, 0 for none.
func portOf(address string) int {
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(u.Port())
	return n
}

// awaitAnswers returns once the gateway answers as it will from then on: it
// has the policy version given or a newer one, and admits the demo's keys.
func (d *demo) awaitAnswers(ctx context.Context, version int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout,
		fmt.Errorf("the gateway does not admit calls after %s; %s tells why", answerTimeout, d.logFile.Name()))
	defer cancel()
	err := poll(ctx, func() bool { return d.ask(ctx, "", d.scene.flooded).PolicyVersion >= version })
	if err != nil {
		return err
	}
	d.progress("Waiting until the gateway admits calls …")
	if err := d.awaitLeases(ctx); err != nil {
		return err
	}
	// By its leases the manager knows of the gateway, whose other workers it then waits for.
	workers, end := context.WithTimeout(ctx, workersTimeout)
	defer end()
	if _, err := d.service().AwaitAcknowledged(workers, version); err != nil && workers.Err() == nil {
		return err
	}
	if !d.ranBefore(ctx) {
		return nil
	}
	select { // what the gateway of the run before held may be spent
	case <-time.After(burstsFill):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// workersTimeout is how long all workers may take. It is more than the 15 s after which another proxy of the same store, that is gone,
// is waited for no more.
const workersTimeout = 20 * time.Second

// burstsFill is burst by rate, the same in all plans of the estates.
const burstsFill = 2 * time.Second

// awaitLeases returns once the gateway admits the demo's keys to what the page shows.
func (d *demo) awaitLeases(ctx context.Context) error {
	for _, at := range d.scene.served {
		key, ok := d.key(at.variable)
		if !ok {
			continue // somebody has removed the application
		}
		if err := poll(ctx, func() bool { return d.ask(ctx, key, at).Status == http.StatusOK }); err != nil {
			return err
		}
	}
	return nil
}

// key is that of a variable, in this run.
func (d *demo) key(variable string) (key string, ok bool) {
	for _, k := range d.facts.Keys {
		if k.Variable == variable {
			return k.Key, true
		}
	}
	return "", false
}

// ranBefore tells whether there was a run lately.
func (d *demo) ranBefore(ctx context.Context) bool {
	proxies, err := d.service().Proxies(ctx)
	return err == nil && len(proxies) > 1
}

// poll asks again and again, since a proxy tells nobody when it is so far.
func poll(ctx context.Context, done func() bool) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
	return nil
}

// answer is what poll needs to know of the gateway's answer; zero where there was none.
type answer struct {
	Status        int   `json:"-"`
	PolicyVersion int64 `json:"policy_version"` // refusals carry it
}

// ask makes a call with a key, without one for "".
func (d *demo) ask(ctx context.Context, key string, at place) (a answer) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.facts.GatewayURL+at.path, nil)
	if err != nil {
		return answer{}
	}
	request.Host = at.host
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()  // only read
	_ = json.NewDecoder(response.Body).Decode(&a) // an answer without it has no version
	a.Status = response.StatusCode
	return a
}

// at is the URL of a path on a host of the estate, at this run's gateway.
func (d *demo) at(host, path string) string {
	u, err := url.Parse(d.facts.GatewayURL)
	if err != nil {
		return d.facts.GatewayURL + path
	}
	return "http://" + net.JoinHostPort(host, u.Port()) + path
}
