// Package envoyexamples holds the Envoy configurations and the sample estate that Partnergate ships, renders them for other
// ports, and starts the real Envoy with them.
package envoyexamples

import (
	"embed"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
)

//go:embed quickstart/envoy.yaml hardened/envoy.yaml quota-only/envoy.yaml
var configs embed.FS

//go:embed estate quota-only/estate
var estates embed.FS

// Estates: resources as YAML files at the top, OpenAPI documents in openapi/.
var (
	Estate          = mustSub(estates, "estate")            // the sample estate, of all examples but one
	QuotaOnlyEstate = mustSub(estates, "quota-only/estate") // that of quota-only
)

// Examples are the names that Render and Launch know.
var Examples = []string{"quickstart", "hardened", "quota-only"}

// EdgeTokenVariable is the environment variable from which the filters of the examples take the edge token.
const EdgeTokenVariable = "PARTNERGATE_EDGE_TOKEN"

// Places are what Render puts in the place of an example's own addresses, all on 127.0.0.1, and of its module's path.
type Places struct {
	Listener int    // where clients call; 0 is any free port
	Admin    int    // Envoy's admin interface; 0 is any free port
	Manager  int    // where partnergate listens
	Second   int    // where a second manager on the same store does; 0: there is none
	Payments int    // upstream of everything but /risk
	Risk     int    // upstream of /risk
	Module   string // path of partnergate.wasm
}

// The places as the files in this folder have them.
var written = Places{
	Listener: 10000, Admin: 9901, Manager: 8080, Payments: 9001, Risk: 9002,
	Module: "build/partnergate.wasm",
}

// Render gives an example's configuration with other places. It changes nothing else, so that what tests run is what the file says.
func Render(example string, places Places) ([]byte, error) {
	file, err := configs.ReadFile(example + "/envoy.yaml")
	if err != nil {
		return nil, fmt.Errorf("no Envoy example %q: choose one of %s", example, strings.Join(Examples, ", "))
	}
	if err := places.check(); err != nil {
		return nil, fmt.Errorf("example %q: %w", example, err)
	}
	from, to := written.fragments(), places.fragments()
	pairs := make([]string, 0, 2*len(from))
	for i := range from {
		if found := strings.Count(string(file), from[i]); found != 1 {
			return nil, fmt.Errorf("envoy-examples/%s/envoy.yaml: %q stands there %d times; Render replaces it and needs it once",
				example, from[i], found)
		}
		pairs = append(pairs, from[i], to[i])
	}
	rendered := strings.NewReplacer(pairs...).Replace(string(file))
	if places.Second != 0 {
		rendered = withSecondManager(rendered, places)
	}
	return []byte(rendered), nil
}

// withSecondManager makes the second manager an endpoint beside the first. It takes no more: the filters' calls are tried at another
// endpoint where one cannot be connected to. Outlier detection would only keep proxies from a manager that is back.
func withSecondManager(config string, places Places) string {
	endpoint := func(port int) string {
		return fmt.Sprintf("              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}\n", port)
	}
	return strings.Replace(config, endpoint(places.Manager), endpoint(places.Manager)+endpoint(places.Second), 1)
}

func (p Places) check() error {
	for name, port := range map[string]int{"manager": p.Manager, "payments": p.Payments, "risk": p.Risk} {
		if port <= 0 || port > 65535 {
			return fmt.Errorf("the %s port is %d; give the port at which it listens", name, port)
		}
	}
	if p.Module == "" {
		return fmt.Errorf("no module: give the path of partnergate.wasm (`make wasm` builds it in build/)")
	}
	return nil
}

// fragments are the pieces of YAML that carry the places.
func (p Places) fragments() []string {
	return []string{
		fmt.Sprintf("{address: 127.0.0.1, port_value: %d}", p.Listener),
		fmt.Sprintf("{address: 127.0.0.1, port_value: %d}", p.Admin),
		fmt.Sprintf("{address: 127.0.0.1, port_value: %d}", p.Manager),
		fmt.Sprintf("{address: 127.0.0.1, port_value: %d}", p.Payments),
		fmt.Sprintf("{address: 127.0.0.1, port_value: %d}", p.Risk),
		fmt.Sprintf("http://127.0.0.1:%d/docs/errors/", p.Manager),
		"{filename: " + yamlString(p.Module) + "}",
	}
}

// yamlString quotes a path only where the flow mapping needs it, so that the written path is found as it stands.
func yamlString(path string) string {
	if strings.ContainsAny(path, " ,{}[]#&*!|>'\"%@`:\\") {
		return strconv.Quote(path)
	}
	return path
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func mustSub(files embed.FS, folder string) fs.FS {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		panic(err) // the folder's name is a constant of this package
	}
	return sub
}
