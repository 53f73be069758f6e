package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
	"github.com/partnergate/partnergate/manager"
)

// probeKeyLife is how long the keys of a run could be used if it could not revoke them.
const probeKeyLife = "15m"

// prober is who probes one environment: an application with a key.
type prober struct{ partner, application, environment, id, key string }

// target is an operation as it is called.
type target struct{ host, path string }

// probe sends every GET operation as every application, and compares.
func (v *verification) probe(ctx context.Context) (err error) {
	gateways, err := v.gateways(ctx)
	if err != nil {
		return err
	}
	partners, err := v.partners(ctx)
	if err != nil {
		return err
	}
	targets := map[string][]target{}
	for environment := range gateways {
		if targets[environment], err = v.targets(ctx, environment); err != nil {
			return err
		}
	}
	probers, err := v.makeKeys(ctx, partners, gateways)
	defer func() {
		err = errors.Join(err, v.revokeKeys(context.WithoutCancel(ctx), probers))
	}()
	if err != nil {
		return err
	}
	if len(probers) == 0 {
		return errors.New("there is no application to probe as; apply one, or give another --partner")
	}
	if err := v.keysArrive(ctx); err != nil {
		return err
	}
	return v.sendProbes(ctx, probers, targets, gateways)
}

func (v *verification) sendProbes(ctx context.Context, probers []prober, targets map[string][]target, gateways map[string]*url.URL) error {
	defer v.notify("Probing as %s", count(len(probers), "application"))()
	for _, p := range probers {
		for _, t := range targets[p.environment] {
			if err := v.compare(ctx, gateways[p.environment], p, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verification) partners(ctx context.Context) ([]string, error) {
	if v.options.partner != "" {
		return []string{v.options.partner}, nil
	}
	resources, err := v.api.Resources(ctx, manager.KindPartner, "")
	if err != nil {
		return nil, err
	}
	names := make([]string, len(resources))
	for i, r := range resources {
		names[i] = r.Meta().Name
	}
	return names, nil
}

// targets are the GET operations that any partner holds in an environment, at every host.
func (v *verification) targets(ctx context.Context, environment string) ([]target, error) {
	resources, err := v.api.Resources(ctx, manager.KindPartner, "")
	if err != nil {
		return nil, err
	}
	found, others := map[target]bool{}, map[string]bool{}
	for _, r := range resources {
		catalog, err := v.api.Catalog(ctx, r.Meta().Name, environment)
		if err != nil {
			return nil, err
		}
		hosts := map[string][]string{}
		for _, p := range catalog.Products {
			hosts[p.Product] = p.Hosts
		}
		for _, o := range catalog.Operations {
			if o.Method != http.MethodGet {
				others[o.Method+" "+o.Path] = true
				continue
			}
			for _, host := range hosts[o.Product] {
				found[target{host, policy.Instance(o.Path)}] = true
			}
		}
	}
	if len(others) > 0 {
		v.report.NotProbed = append(v.report.NotProbed, fmt.Sprintf("%s in %s that %s not GET", count(len(others), "operation"), environment, isAre(len(others))))
	}
	list := make([]target, 0, len(found))
	for t := range found {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b target) int { return strings.Compare(a.host+a.path, b.host+b.path) })
	return list, nil
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// makeKeys makes a key for each application in each environment. The keys made
// until an error are returned with it.
func (v *verification) makeKeys(ctx context.Context, partners []string, gateways map[string]*url.URL) (probers []prober, err error) {
	for _, partner := range partners {
		applications, err := v.api.Resources(ctx, manager.KindApplication, partner)
		if err != nil {
			return probers, err
		}
		if len(applications) == 0 {
			v.report.NotProbed = append(v.report.NotProbed, partner+", which has no application")
		}
		for _, a := range applications {
			for environment := range gateways {
				key, err := v.api.CreateKey(ctx, partner, a.Meta().Name, environment, probeKeyLife)
				if err != nil {
					return probers, err
				}
				v.withKeys = key.PolicyVersion
				probers = append(probers, prober{partner, a.Meta().Name, environment, key.ID, key.Key})
			}
		}
	}
	return probers, nil
}

// keysArrive waits until the proxies know the keys.
func (v *verification) keysArrive(ctx context.Context) error {
	behind, err := v.api.Acknowledged(ctx, v.withKeys, longestWait)
	if err == nil && len(behind) > 0 {
		err = fmt.Errorf("%s did not get the keys of this run within %s; see `partnergate proxies`", count(len(behind), "proxy process"), longestWait)
	}
	return err
}

func (v *verification) revokeKeys(ctx context.Context, probers []prober) error {
	var failed []error
	for _, p := range probers {
		if _, err := v.api.RevokeKey(ctx, p.id); err != nil {
			failed = append(failed, fmt.Errorf("revoke the key %s of this run, which ends by itself within %s: %w", p.id, probeKeyLife, err))
		}
	}
	return errors.Join(failed...)
}

func (v *verification) compare(ctx context.Context, gateway *url.URL, p prober, t target) error {
	e, err := v.api.Explain(ctx, url.Values{"credential": {p.id}, "method": {http.MethodGet}, "host": {t.host}, "path": {t.path}})
	if err != nil {
		return err
	}
	got, err := callGateway(ctx, gateway, p.key, t)
	if err != nil {
		return err
	}
	v.report.Probes++
	if got == e.Code || e.Code == policy.Admitted.String() && afterGrant(got) {
		return nil
	}
	v.report.Agrees = false
	v.report.Disagreements = append(v.report.Disagreements, disagreement{p.partner, p.application, p.environment, http.MethodGet,
		t.host + t.path, e.Code, got})
	return nil
}

// afterGrant tells a refusal that only a request gets whose operation is granted.
func afterGrant(code string) bool {
	return code == policy.LimitExceeded.String() || code == policy.LimitUnavailable.String() || code == policy.CapacityExceeded.String()
}

const probeTimeout = 10 * time.Second

// callGateway returns what the gateway decided: admitted, or the code of the problem that it answered.
func callGateway(ctx context.Context, gateway *url.URL, key string, t target) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(gateway.String(), "/")+t.path, nil)
	if err != nil {
		return "", err
	}
	request.Host = t.host
	request.Header.Set("X-Api-Key", key)
	request.Header.Set("User-Agent", "partnergate-verify")
	response, err := http.DefaultTransport.RoundTrip(request) // no redirects: they are the upstream's
	if err != nil {
		return "", fmt.Errorf("the gateway at %s does not answer: %w", gateway, err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("the answer of the gateway at %s ended early: %w", gateway, err)
	}
	return decided(response.StatusCode, response.Header.Get("Content-Type"), body), nil
}

// decided tells a refusal of the gateway from an answer of the upstream.
func decided(status int, contentType string, body []byte) string {
	if code, _ := manager.ReadRefusal(status, contentType, body); code != "" {
		return code
	}
	return policy.Admitted.String()
}
