package envoyexamples

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// seedVariable repeats a run: PARTNERGATE_TEST_SEED=… go test -run TestPortalAndEnvoyAgree
const seedVariable = "PARTNERGATE_TEST_SEED"

// TestPortalAndEnvoyAgree asks, in an estate made by chance, for every partner, environment and operation: what catalog.json lists is
// what Envoy lets through, however the path is spelled.
func TestPortalAndEnvoyAgree(t *testing.T) {
	module(t)
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	b, g := sharedBackend.get(t), generate(seed)
	b.apply(t, g.resources...)
	keys, version := generatedKeys(t, b, g)
	if err := b.SetPassword(t.Context(), g.partners[0].Metadata.Name, auditor, password); err != nil {
		t.Fatal(err)
	}
	envoy := sharedEdges["quickstart"].get(t)
	b.awaitPolicy(t, version, envoy.Address())

	asked := g.questions(t, logIn(t, b.url(), auditor, password), keys)
	before := b.arrived()
	admitted := askAll(t, envoy.Address(), asked)
	if arrived := b.arrived() - before; arrived != admitted {
		t.Errorf("%d requests were admitted, and %d reached an upstream", admitted, arrived)
	}
	listed, refused := judge(t, asked)
	t.Logf("%d questions, %d of them to be admitted, %d to be refused; 0 differences wanted", len(asked), listed, refused)
	if listed < len(asked)/20 || refused < len(asked)/20 {
		t.Errorf("the estate is one-sided: %d of %d questions are to be admitted", listed, len(asked))
	}
	noReloads(t, envoy.Envoy)
}

// question is one request, asked with each of a partner's keys, and whether one of them must be admitted.
type question struct {
	partner, environment, about string
	request                     request // without its key
	keys                        []string
	listed                      bool
	admitted                    bool
	outcomes                    []string
}

// oddEach is how many odd spellings of each path are asked, by chance out of all kinds.
const oddEach = 2

func (g *generated) questions(t *testing.T, portal *portalSession, keys map[string][]string) (asked []*question) {
	t.Helper()
	for _, partner := range g.partners {
		portal.choose(t, partner.Metadata.Name)
		for _, environment := range generatedEnvironments {
			listed := listing{}
			for _, o := range portal.catalog(t, environment) {
				listed[o.Product+" "+o.Operation] = o
			}
			matcher := g.matcher(environment)
			for _, product := range g.products {
				for _, r := range g.routes[product.Metadata.Name] {
					q := question{partner: partner.Metadata.Name, environment: environment, keys: keys[partner.Metadata.Name+"/"+environment]}
					for _, asking := range g.ask(product, environment, r) {
						next := q
						next.about, next.request = asking.kind, asking.request
						next.listed = listed.has(matcher.means(asking.host, r.method, asking.means))
						asked = append(asked, &next)
					}
				}
			}
			listed.check(t, g, partner.Metadata.Name, environment)
			listed.documented(t, g, portal, environment)
		}
	}
	return asked
}

// listing is a catalog by product and operation.
type listing map[string]operation

func (l listing) has(routes []route) bool {
	return slices.ContainsFunc(routes, func(r route) bool { _, ok := l[r.product+" "+r.operation]; return ok })
}

// check compares method and path of each entry with the documents.
func (l listing) check(t *testing.T, g *generated, partner, environment string) {
	t.Helper()
	for _, o := range l {
		if o.Environment != environment || !slices.Contains(g.routes[o.Product], route{o.Product, o.Operation, o.Method, o.Path}) {
			t.Errorf("the catalog of %s in %s lists %+v, which no document has", partner, environment, o)
		}
	}
}

// documented compares the entries of each product that the catalog has, and of another, with the product's OpenAPI document.
func (l listing) documented(t *testing.T, g *generated, portal *portalSession, environment string) {
	t.Helper()
	products := map[string][]operation{pick(g, g.products...).Metadata.Name: nil}
	for _, o := range l {
		products[o.Product] = append(products[o.Product], o)
	}
	byPlace := func(a, b operation) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) }
	for product, want := range products {
		got := portal.documented(t, product, environment)
		slices.SortFunc(want, byPlace)
		slices.SortFunc(got, byPlace)
		if !slices.Equal(got, want) {
			t.Errorf("the OpenAPI document of %s in %s has %v, and the catalog %v", product, environment, got, want)
		}
	}
}

// asking is one spelling of a call.
type asking struct {
	kind, host string
	request    request
	means      string // the path as it is to be understood; "" for one that is not canonical
}

// ask spells an operation plainly, on every host of its product, and in some odd ways.
func (g *generated) ask(product *manager.Product, environment string, r route) (list []asking) {
	hosts := product.Spec.Environments[environment].Hosts
	if len(hosts) == 0 {
		hosts = []string{pick(g, generatedHosts(environment)...)}
	}
	path := g.instance(r.path)
	plain := func(host string) asking {
		return asking{kind: r.method + " " + r.path, host: host, request: request{method: r.method, target: path, host: host}, means: path}
	}
	for _, host := range hosts {
		list = append(list, plain(host))
	}
	for range oddEach {
		odd, kind := plain(pick(g, hosts...)), pick(g, spellings...)
		odd.kind = kind.name + " of " + odd.kind
		odd.request.target, odd.means = kind.spell(g, path)
		if g.chance(20) {
			odd.request.host = strings.ToUpper(odd.host[:1]) + odd.host[1:] + pick(g, "", ".", ":8443", ".:80")
		}
		list = append(list, odd)
	}
	return list
}

// instance fills parameters with values that no template has as a literal.
func (g *generated) instance(template string) string {
	segments := strings.Split(template, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = fmt.Sprintf("z%d", g.random.IntN(1000))
		}
	}
	return strings.Join(segments, "/")
}

// connections are used at once, with one request under way on each: Envoy ends a connection on which more than two refusals wait.
const connections = 16

// askAll asks all questions over some connections, and returns how many were admitted.
func askAll(t *testing.T, address string, asked []*question) (admitted int64) {
	t.Helper()
	var lock sync.Mutex
	var done sync.WaitGroup
	for n := range connections {
		part := asked[n*len(asked)/connections : (n+1)*len(asked)/connections]
		done.Go(func() {
			count, err := askPart(address, part)
			if err != nil {
				t.Error(err)
			}
			lock.Lock()
			admitted += count
			lock.Unlock()
		})
	}
	done.Wait()
	return admitted
}

// ballot is one request of one question.
type ballot struct {
	*question
	key string
}

func (b ballot) request() request {
	r := b.question.request
	r.headers = []string{"x-api-key: " + b.key}
	return r
}

func askPart(address string, part []*question) (admitted int64, err error) {
	var left []ballot
	for _, q := range part {
		for _, key := range q.keys {
			left = append(left, ballot{q, key})
		}
	}
	for len(left) > 0 {
		var count, answered int64
		answered, count, err = askOver(address, left)
		admitted += count
		left = left[answered:]
		if err != nil {
			return admitted, err
		}
	}
	return admitted, nil
}

// askOver asks over one connection until all is answered or the edge closes it.
func askOver(address string, ballots []ballot) (answered, admitted int64, err error) {
	connection, err := dialWire(address)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = connection.Close() }()
	for _, b := range ballots {
		a, err := connection.ask(b.request())
		if err == nil && a.outcome() == "limit_unavailable" {
			a, err = askPatiently(address, b.request(), func(answer) {})
		}
		if err != nil {
			return answered, admitted, fmt.Errorf("%s: %w", b.request(), err)
		}
		answered++
		b.outcomes = append(b.outcomes, a.outcome())
		if a.status == http.StatusOK {
			b.admitted = true
			admitted++
		}
		if a.closes {
			break
		}
	}
	return answered, admitted, nil
}

// judge names every difference, up to a few.
func judge(t *testing.T, asked []*question) (listed, refused int) {
	t.Helper()
	differences := 0
	for _, q := range asked {
		if q.listed {
			listed++
		} else {
			refused++
		}
		if q.admitted != q.listed {
			if differences++; differences <= 20 {
				t.Errorf("%s in %s, %s: %s %s on %s: listed: %t, and Envoy says %v",
					q.partner, q.environment, q.about, q.request.method, q.request.target, q.request.host, q.listed, q.outcomes)
			}
		}
	}
	if differences > 0 {
		t.Errorf("%d differences", differences)
	}
	return listed, refused
}
