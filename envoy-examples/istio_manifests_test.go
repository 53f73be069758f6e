package envoyexamples

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	extensions "istio.io/api/extensions/v1alpha1"
	mesh "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	telemetry "istio.io/api/telemetry/v1alpha1"
)

// manifests are those of the example istio. Each file is read into the types of the APIs that it is for, so that nothing in it is
// unknown to them: Istio's own types, and of Kubernetes' what stands there.
type manifests struct {
	manager  statefulSet
	gateway  deployment
	services map[string]kubeService // by name
	configs  map[string]map[string]string

	plugin    *extensions.WasmPlugin
	filter    *networking.EnvoyFilter
	rule      *networking.DestinationRule
	entry     *networking.Gateway
	routes    *networking.VirtualService
	telemetry *telemetry.Telemetry
	mesh      *mesh.MeshConfig
	places    map[string]string // namespaces, by kind
}

// document is one of a file.
type document struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   objectMeta      `json:"metadata"`
	Spec       json.RawMessage `json:"spec"`
	Data       json.RawMessage `json:"data"`

	Rules    json.RawMessage `json:"rules"` // of roles
	RoleRef  json.RawMessage `json:"roleRef"`
	Subjects json.RawMessage `json:"subjects"`
}

func readManifests(t *testing.T) *manifests {
	t.Helper()
	m := &manifests{services: map[string]kubeService{}, configs: map[string]map[string]string{}, places: map[string]string{}, mesh: &mesh.MeshConfig{}}
	for _, file := range []string{"manager.yaml", "gateway.yaml", "filters.yaml"} {
		for _, text := range yamlDocuments(t, file) {
			var d document
			strictly(t, file, text, &d)
			m.take(t, file+", "+d.Kind+" "+d.Metadata.Name, &d)
		}
	}
	var values struct {
		MeshConfig json.RawMessage `json:"meshConfig"`
	}
	strictly(t, "mesh-values.yaml", yamlDocuments(t, "mesh-values.yaml")[0], &values)
	message(t, "mesh-values.yaml", values.MeshConfig, m.mesh)
	return m
}

// take reads one document as what its apiVersion and kind say.
func (m *manifests) take(t *testing.T, where string, d *document) {
	t.Helper()
	m.places[d.Kind] = d.Metadata.Namespace
	switch d.APIVersion + " " + d.Kind {
	case "v1 Namespace", "v1 ServiceAccount":
	case "v1 Service":
		var s kubeService
		strictly(t, where, d.Spec, &s)
		m.services[d.Metadata.Name] = s
	case "v1 ConfigMap":
		data := map[string]string{}
		strictly(t, where, d.Data, &data)
		m.configs[d.Metadata.Name] = data
	case "apps/v1 StatefulSet":
		strictly(t, where, d.Spec, &m.manager)
	case "apps/v1 Deployment":
		strictly(t, where, d.Spec, &m.gateway)
	case "networking.k8s.io/v1 NetworkPolicy":
		strictly(t, where, d.Spec, &networkPolicy{})
	case "rbac.authorization.k8s.io/v1 Role":
		strictly(t, where, d.Rules, &[]rule{})
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		strictly(t, where, d.RoleRef, &roleRef{})
		strictly(t, where, d.Subjects, &[]subject{})
	default:
		message(t, where, d.Spec, m.istios(t, where, d))
	}
}

// istios is where a resource of Istio's is read to.
func (m *manifests) istios(t *testing.T, where string, d *document) (to proto.Message) {
	t.Helper()
	switch d.APIVersion + " " + d.Kind {
	case "extensions.istio.io/v1alpha1 WasmPlugin":
		m.plugin = &extensions.WasmPlugin{}
		return m.plugin
	case "networking.istio.io/v1alpha3 EnvoyFilter":
		m.filter = &networking.EnvoyFilter{}
		return m.filter
	case "networking.istio.io/v1 DestinationRule":
		m.rule = &networking.DestinationRule{}
		return m.rule
	case "networking.istio.io/v1 Gateway":
		m.entry = &networking.Gateway{}
		return m.entry
	case "networking.istio.io/v1 VirtualService":
		m.routes = &networking.VirtualService{}
		return m.routes
	case "telemetry.istio.io/v1 Telemetry":
		m.telemetry = &telemetry.Telemetry{}
		return m.telemetry
	}
	t.Fatalf("%s: nobody knows %s %s", where, d.APIVersion, d.Kind)
	return nil
}

// yamlDocuments are the documents of a file of the example, as JSON.
func yamlDocuments(t *testing.T, file string) (all [][]byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("istio", file))
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, asJSON(t, document))
	}
}

// strictly refuses fields that the type has not.
func strictly(t *testing.T, where string, text []byte, to any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
}

// message reads a message of Istio's. What comes back from it must stand so in the manifest: it also reads names and values in forms
// that Kubernetes, which knows only the schema, drops or refuses.
func message(t *testing.T, where string, text []byte, to proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	back, err := protojson.Marshal(to)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if got, want := fromJSON(t, back), fromJSON(t, text); !within(got, want) {
		t.Errorf("%s: it is read as\n%v\nbut written as\n%v", where, got, want)
	}
}

// within tells whether part stands in whole. What is zero, such as an enum's first value, stands only in the whole.
func within(part, whole any) bool {
	switch part := part.(type) {
	case object:
		in, ok := whole.(object)
		for key, value := range part {
			ok = ok && within(value, in[key])
		}
		return ok
	case []any:
		in, ok := whole.([]any)
		return ok && slices.EqualFunc(part, in, within)
	}
	return part == whole
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func fromJSON(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

// clusterOfIstio is what Istio calls a port of a Service.
func clusterOfIstio(namespace, service string, port int) string {
	return fmt.Sprintf("outbound|%d||%s.%s.svc.cluster.local", port, service, namespace)
}
