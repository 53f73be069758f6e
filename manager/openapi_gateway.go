package manager

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/partnergate/partnergate/filters/policy"
)

const problemJSON = "application/problem+json"

// refusalStatus is a status with which the gateway refuses, and the component that says so.
type refusalStatus struct {
	status    string
	reference string
	words     string // the codes with their titles
}

// describeRefusals adds the gateway's refusals to the components, one for each status.
func (w *memberDocument) describeRefusals(errors string) {
	schema := w.freeName("schemas", "GatewayRefusal")
	w.section("schemas").add(schema, refusalSchema(errors))
	w.refusal = objectNode("$ref", "#/components/schemas/"+schema)
	byStatus := map[int]int{}
	for _, code := range policy.Refusals() {
		info := code.Info()
		at, known := byStatus[info.Status]
		if !known {
			at = len(w.refused)
			byStatus[info.Status] = at
			w.refused = append(w.refused, refusalStatus{status: strconv.Itoa(info.Status)})
		}
		w.refused[at].words += fmt.Sprintf("\n- `%s`: %s", info.Name, info.Title)
	}
	slices.SortFunc(w.refused, func(a, b refusalStatus) int { return strings.Compare(a.status, b.status) })
	for i := range w.refused {
		r := &w.refused[i]
		name := w.freeName("responses", "GatewayRefusal"+r.status)
		r.reference = "#/components/responses/" + name
		response := objectNode("description", "Refused by the gateway:\n"+r.words)
		if headers := refusalHeaders(r.status); len(headers.items) > 0 {
			response.add("headers", headers)
		}
		response.add("content", objectNode(problemJSON, objectNode("schema", w.refusal)))
		w.section("responses").add(name, response)
	}
}

// refusalSchema is the body of a refusal (RFC 9457).
func refusalSchema(errors string) *node {
	codes := &node{kind: sequenceNode}
	for _, code := range policy.Refusals() {
		codes.items = append(codes.items, textNode(code.String()))
	}
	required := &node{kind: sequenceNode}
	for _, name := range []string{"type", "title", "status", "detail", "code", "request_id", "policy_version"} {
		required.items = append(required.items, textNode(name))
	}
	return objectNode("type", "object", "description", "Why the gateway did not let a request through.", "required", required, "properties", objectNode(
		"type", objectNode("type", "string", "format", "uri", "description", "The page about the code: "+errors+"{code}"),
		"title", objectNode("type", "string"),
		"status", objectNode("type", "integer"),
		"detail", objectNode("type", "string", "description", "What it means and what you can do."),
		"code", objectNode("type", "string", "description", "The machine word of the refusal. More can be added.", "enum", codes),
		"request_id", objectNode("type", "string", "description", "Finds the request in the portal's log."),
		"policy_version", objectNode("type", "integer", "format", "int64"),
		"limit", objectNode("type", "string", "description", "The limit that is reached, with 429."),
	))
}

// refusalHeaders are what comes with a refusal besides its body.
func refusalHeaders(status string) *node {
	header := func(kind, description string) *node {
		return objectNode("description", description, "schema", objectNode("type", kind))
	}
	switch status {
	case strconv.Itoa(http.StatusUnauthorized):
		return objectNode("WWW-Authenticate", header("string", "How to send a key."))
	case strconv.Itoa(http.StatusTooManyRequests):
		return objectNode("Retry-After", header("integer", "Seconds to wait."))
	}
	return objectNode()
}

// withoutRefused is an operation without what it answers with the gateway's
// statuses: finish writes that, and copies what it refers to.
func (w *memberDocument) withoutRefused(operation *node) *node {
	responses := operation.mapping("responses")
	if len(responses.items) == 0 {
		return operation
	}
	to, rest := objectNode(), objectNode()
	for i, key := range responses.names {
		if slices.ContainsFunc(w.refused, func(r refusalStatus) bool { return r.status == key.text }) {
			rest.add(key.text, &node{}) // its place
		} else {
			rest.add(key.text, responses.items[i])
		}
	}
	for i, key := range operation.names {
		to.add(key.text, operation.items[i])
	}
	to.set("responses", rest)
	return to
}

// finish adds to an operation what the gateway asks and answers.
func (w *memberDocument) finish(operation, responses *node) {
	alternatives := &node{kind: sequenceNode}
	for _, scheme := range keySchemes {
		alternatives.items = append(alternatives.items, objectNode(scheme.name, &node{kind: sequenceNode}))
	}
	operation.set("security", alternatives)
	to := operation.get("responses")
	if to == nil || to.kind != mappingNode {
		to = objectNode("default", objectNode("description", "The product's answer, which its provider does not describe."))
		operation.set("responses", to)
	}
	for _, r := range w.refused {
		own := responses.get(r.status)
		if own == nil {
			to.set(r.status, objectNode("$ref", r.reference))
			continue
		}
		to.set(r.status, w.orRefused(r, own))
	}
}

// orRefused is a product's own response that can be the gateway's, too.
func (w *memberDocument) orRefused(r refusalStatus, own *node) *node {
	reference := own.get("$ref")
	if reference == nil {
		return w.joined(r, own)
	}
	key := "joined " + r.status + " " + reference.text
	if w.named[key] == "" {
		tokens := pointerTokens(reference.text)
		name := w.freeName("responses", tokens[len(tokens)-1]+"_or_refused")
		w.named[key] = "#/components/responses/" + pointerEscaped(name)
		w.section("responses").add(name, w.joined(r, w.followed(own)))
	}
	return objectNode("$ref", w.named[key])
}

func (w *memberDocument) joined(r refusalStatus, own *node) *node {
	to := w.object(responseObject, own)
	if to.kind != mappingNode {
		to = objectNode()
	}
	description := "\n\nOr refused by the gateway:\n" + r.words
	if said := to.get("description"); said != nil {
		description = said.text + description
	}
	to.set("description", textNode(strings.TrimSpace(description)))
	if headers := refusalHeaders(r.status); len(headers.items) > 0 {
		into := to.part("headers")
		for i, key := range headers.names {
			if into.get(key.text) == nil {
				into.add(key.text, headers.items[i])
			}
		}
	}
	content := to.part("content")
	problem := content.part(problemJSON)
	schema := w.refusal
	if own := problem.get("schema"); own != nil {
		schema = objectNode("anyOf", &node{kind: sequenceNode, items: []*node{own, w.refusal}})
	}
	problem.set("schema", schema)
	return to
}

// keySchemes are the ways to send an API key.
var keySchemes = []struct {
	name   string
	scheme *node
}{
	{"ApiKey", objectNode("type", "apiKey", "in", "header", "name", "x-api-key", "description", "An API key of the environment, from the portal's page Applications.")},
	{"BearerKey", objectNode("type", "http", "scheme", "bearer", "bearerFormat", "pgk_…", "description", "The same API key, as Authorization: Bearer pgk_….")},
}

func (w *memberDocument) describeKeys() {
	for _, s := range keySchemes {
		w.section("securitySchemes").add(s.name, s.scheme)
	}
}
