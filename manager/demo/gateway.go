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
	"time"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
	"github.com/partnergate/partnergate/manager/gateway"
)

func (d *demo) startEmbedded(ctx context.Context, payments, risk int) error {
	g, err := gateway.Start(ctx, gateway.Options{
		Listen: loopback(d.Ports.Gateway), ManagerURL: d.facts.ManagerURL, EdgeToken: d.state.EdgeToken,
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
		Places: envoyexamples.Places{Listener: d.Ports.Gateway, Admin: d.Ports.EnvoyAdmin, Manager: d.managerPort(),
			Payments: payments, Risk: risk, Module: module},
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

func (d *demo) managerPort() int {
	_, port, _ := net.SplitHostPort(d.server.Address()) // an address that is listened on
	n, _ := strconv.Atoi(port)
	return n
}

// Hosts of the sample estate.
const (
	sandboxHost    = "sandbox.api.localhost"
	productionHost = "api.localhost"
)

// awaitPolicy asks the gateway until it refuses a request without key by the
// policy version given or a newer one, and then waits a moment for all its workers.
func (d *demo) awaitPolicy(ctx context.Context, version int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, policyTimeout, fmt.Errorf("the gateway has no policy after %s; %s tells why", policyTimeout, d.logFile.Name()))
	defer cancel()
	ask := time.NewTicker(50 * time.Millisecond)
	defer ask.Stop()
	for {
		if v, err := d.decidesBy(ctx); err == nil && v >= version {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ask.C:
		}
	}
	workers, end := context.WithTimeout(ctx, 5*time.Second)
	defer end()
	_, err := d.service().AwaitAcknowledged(workers, version)
	if err != nil && workers.Err() == nil {
		return err
	}
	return nil
}

// decidesBy is the policy version in the gateway's refusal of a request without a key.
func (d *demo) decidesBy(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.facts.GatewayURL+"/payments/charges", nil)
	if err != nil {
		return 0, err
	}
	request.Host = sandboxHost
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // only read
	var problem struct {
		PolicyVersion int64 `json:"policy_version"`
	}
	err = json.NewDecoder(response.Body).Decode(&problem)
	return problem.PolicyVersion, err
}

// at is the URL of a path on a host of the estate, at this run's gateway.
func (d *demo) at(host, path string) string {
	u, err := url.Parse(d.facts.GatewayURL)
	if err != nil {
		return d.facts.GatewayURL + path
	}
	return "http://" + net.JoinHostPort(host, u.Port()) + path
}
