package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

// at is the URL of a path on a host of the estate, at this run's gateway.
func (d *demo) at(host, path string) string {
	u, err := url.Parse(d.facts.GatewayURL)
	if err != nil {
		return d.facts.GatewayURL + path
	}
	return "http://" + net.JoinHostPort(host, u.Port()) + path
}
