package manager

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Bounds of what documents can ask for, which bounds of their size are none of.
const (
	maxReferences = 100     // that are followed for one, since they can be a circle
	maxCopied     = 500_000 // objects in the copy, since what is referred to in place is copied each time
	manyFields    = 16      // of an object that are not looked through for each reference
)

// narrowing copies parts of an OpenAPI document, and all that they refer to.
// What nothing of it refers to is not copied, nor are extensions (x-…), which
// are for the provider's tools and can name its inner addresses.
type narrowing struct {
	source     *node
	held       map[string]bool   // ids of the operations that are kept
	components *node             // section → name → object, of the copy
	named      map[string]string // what was referred to → where it is in the copy
	waiting    []referred
	copied     int // objects

	taken  map[string]map[string]int  // section → name → the last number that one like it was given
	fields map[*node]map[string]*node // of objects of the source that have many
	heirs  map[string][]string        // reference to a schema → those to schemas that extend it, until they are copied
	looked int                        // schemas of the copy whose heirs are copied
}

// referred is an object to be copied into the components.
type referred struct {
	kind openAPIObject
	from *node
	to   *node // its section
	at   int   // its place there
}

func newNarrowing(source *node) *narrowing {
	n := &narrowing{
		source: source, held: map[string]bool{}, components: &node{kind: mappingNode}, named: map[string]string{},
		taken: map[string]map[string]int{}, fields: map[*node]map[string]*node{}, heirs: map[string][]string{},
	}
	schemas := source.mapping("components").mapping("schemas")
	for i, key := range schemas.names {
		if allOf := schemas.items[i].get("allOf"); allOf != nil {
			for _, of := range allOf.items {
				if parent := of.get("$ref"); parent != nil {
					n.heirs[parent.text] = append(n.heirs[parent.text], schemaReference(key.text))
				}
			}
		}
	}
	return n
}

func schemaReference(name string) string { return "#/components/schemas/" + pointerEscaped(name) }

// object copies an object.
func (n *narrowing) object(kind openAPIObject, from *node) *node {
	if n.copied++; from.kind != mappingNode || n.copied > maxCopied {
		return from
	}
	to := &node{kind: mappingNode}
	for i, key := range from.names {
		value := from.items[i]
		in, known := openAPIFields[kind][key.text]
		switch {
		case key.text == "$ref" && value.kind == stringNode:
			to.add(key.text, textNode(n.reference(kind, value.text)))
		case kind == callbackObject:
			if !isExtension(key.text) {
				to.add(key.text, n.object(pathItemObject, value))
			}
		case known:
			to.add(key.text, n.field(in, value))
		case !isExtension(key.text) && (kind == schemaObject || !providersFields[key.text]):
			to.add(key.text, value)
		}
	}
	return to
}

func isExtension(key string) bool { return strings.HasPrefix(key, "x-") }

// field copies what stands in a field.
func (n *narrowing) field(in openAPIPart, from *node) *node {
	switch {
	case in.of == discriminator:
		return n.discriminator(from)
	case from.kind == sequenceNode:
		to := &node{kind: sequenceNode}
		for _, item := range from.items {
			to.items = append(to.items, n.object(in.of, item))
		}
		return to
	case from.kind != mappingNode || !in.keyed:
		return n.object(in.of, from)
	}
	to := &node{kind: mappingNode}
	for i, key := range from.names {
		if in.of == linkObject && !n.leadsToHeld(from.items[i]) || in.of == responseObject && isExtension(key.text) {
			continue
		}
		to.add(key.text, n.object(in.of, from.items[i]))
	}
	return to
}

// leadsToHeld tells whether a link names an operation that is kept.
func (n *narrowing) leadsToHeld(link *node) bool {
	to := n.followed(link)
	id := to.get("operationId")
	return id != nil && n.held[id.text] && to.get("operationRef") == nil
}

// discriminator copies which schema each value stands for.
func (n *narrowing) discriminator(from *node) *node {
	to := n.object(discriminator, from)
	if to.kind != mappingNode || to.get("mapping") == nil {
		return to
	}
	mapping := &node{kind: mappingNode}
	for i, value := range from.mapping("mapping").items {
		target := value.text
		if !strings.Contains(target, "/") && n.get(n.source.mapping("components").mapping("schemas"), target) != nil {
			target = schemaReference(target)
		}
		mapping.add(from.mapping("mapping").names[i].text, textNode(n.reference(schemaObject, target)))
	}
	to.set("mapping", mapping)
	return to
}

// reference has what is referred to copied, and returns where to.
func (n *narrowing) reference(kind openAPIObject, to string) string {
	section, tokens := openAPISections[kind], pointerTokens(to)
	key := section + " " + strings.Join(tokens, "\x00")
	if known := n.named[key]; known != "" {
		return known
	}
	target := n.find(to)
	if section == "" || target == nil {
		return to
	}
	name := tokens[len(tokens)-1]
	if len(tokens) != 3 || tokens[0] != "components" || tokens[1] != section {
		name = n.freeName(section, name)
	}
	n.named[key] = "#/components/" + section + "/" + pointerEscaped(name)
	in := n.section(section)
	n.waiting = append(n.waiting, referred{kind: kind, from: target, to: in, at: len(in.items)})
	in.add(name, nil) // its place
	return n.named[key]
}

// settle copies all that is waiting, and what that refers to.
func (n *narrowing) settle() {
	for n.copyWaiting(); n.addHeirs(); n.copyWaiting() {
	}
}

func (n *narrowing) copyWaiting() {
	for len(n.waiting) > 0 {
		next := n.waiting[0]
		n.waiting = n.waiting[1:]
		next.to.items[next.at] = n.object(next.kind, next.from)
	}
}

// addHeirs adds the schemas that extend one that is copied and has a
// discriminator: they stand for it without being referred to (OpenAPI 3.1.1,
// section 4.8.25). It tells whether there were some.
func (n *narrowing) addHeirs() bool {
	copied := n.section("schemas")
	for those := len(copied.names); n.looked < those; n.looked++ {
		if copied.items[n.looked].get("discriminator") == nil {
			continue
		}
		for parents := []string{schemaReference(copied.names[n.looked].text)}; len(parents) > 0; parents = parents[1:] { // heirs have heirs
			heirs := n.heirs[parents[0]]
			delete(n.heirs, parents[0])
			for _, heir := range heirs {
				n.reference(schemaObject, heir)
			}
			parents = append(parents, heirs...)
		}
	}
	return len(n.waiting) > 0
}

// section is a part of the copy's components.
func (n *narrowing) section(name string) *node { return n.components.part(name) }

// freeName is like, or one made of it that neither the document nor the copy has.
func (n *narrowing) freeName(section, like string) string {
	like = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, like)
	taken, name := n.takenNames(section), like
	for taken[name] > 0 {
		taken[like]++
		name = fmt.Sprintf("%s_%d", like, taken[like])
	}
	taken[name] = 1
	return name
}

// takenNames are those of the document, and those that freeName has given.
func (n *narrowing) takenNames(section string) map[string]int {
	if n.taken[section] == nil {
		n.taken[section] = map[string]int{}
		for _, key := range n.source.mapping("components").mapping(section).names {
			n.taken[section][key.text] = 1
		}
	}
	return n.taken[section]
}

// followed is what stands at the end of a chain of references; an empty mapping where nothing does.
func (n *narrowing) followed(from *node) *node { return n.follow(from, new(int)) }

// find returns what a reference within the document names, nil where nothing is there.
func (n *narrowing) find(reference string) *node { return n.at(reference, new(int)) }

// follow counts the references that it follows, on the way to what others name too.
func (n *narrowing) follow(from *node, followed *int) *node {
	for from != nil {
		to := from.get("$ref")
		if to == nil || to.kind != stringNode {
			return from
		}
		if *followed++; *followed > maxReferences {
			break
		}
		from = n.at(to.text, followed)
	}
	return &node{kind: mappingNode}
}

func (n *narrowing) at(reference string, followed *int) *node {
	if !strings.HasPrefix(reference, "#/") {
		return nil
	}
	at := n.source
	for _, token := range pointerTokens(reference) {
		if at.kind == mappingNode && n.get(at, token) == nil {
			at = n.follow(at, followed)
		}
		switch i, err := strconv.Atoi(token); {
		case at.kind == mappingNode:
			at = n.get(at, token)
		case at.kind == sequenceNode && err == nil && i >= 0 && i < len(at.items):
			at = at.items[i]
		default:
			return nil
		}
		if at == nil {
			return nil
		}
	}
	return at
}

// get is what an object of the source has under key.
func (n *narrowing) get(from *node, key string) *node {
	if len(from.names) < manyFields {
		return from.get(key)
	}
	fields := n.fields[from]
	if fields == nil {
		fields = make(map[string]*node, len(from.names))
		for i, key := range from.names {
			fields[key.text] = from.items[i]
		}
		n.fields[from] = fields
	}
	return fields[key]
}

var pointerEscapes, pointerUnescapes = strings.NewReplacer("~", "~0", "/", "~1"), strings.NewReplacer("~1", "/", "~0", "~")

// pointerTokens are the steps of a reference such as #/components/schemas/A (RFC 6901).
func pointerTokens(reference string) []string {
	tokens := strings.Split(strings.TrimPrefix(reference, "#/"), "/")
	for i, token := range tokens {
		if plain, err := url.PathUnescape(token); err == nil {
			token = plain
		}
		tokens[i] = pointerUnescapes.Replace(token)
	}
	return tokens
}

func pointerEscaped(name string) string { return url.PathEscape(pointerEscapes.Replace(name)) }

// set writes value under key, in its place or at the end.
func (n *node) set(key string, value *node) {
	for i := range n.names {
		if n.names[i].text == key {
			n.items[i] = value
			return
		}
	}
	n.add(key, value)
}

// add writes value under a key that is not there yet.
func (n *node) add(key string, value *node) {
	n.names, n.items = append(n.names, nodeKey{text: key}), append(n.items, value)
}

// part is the mapping under key, a new one where there is nothing or something else.
func (n *node) part(key string) *node {
	if there := n.get(key); there != nil && there.kind == mappingNode {
		return there
	}
	n.set(key, &node{kind: mappingNode})
	return n.get(key)
}

func textNode(text string) *node { return &node{kind: stringNode, text: text} }
