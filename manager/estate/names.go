package estate

import (
	"fmt"
	"strings"

	"github.com/partnergate/partnergate/manager"
)

// The words that names are made of. Their numbers share no divisor, so that going through all at once meets every combination.
var (
	firsts = strings.Fields("amber azure birch cedar cobalt copper coral crimson delta ember falcon garnet harbor hazel indigo iron ivory jade juniper lark linden maple meadow mesa north ochre onyx opal orchid pearl pine quartz raven river rowan russet sable sage slate")
	middle = strings.Fields("bay bridge brook cape cove creek crest dale field ford forge gate glen grove haven hill hollow isle lake point port reach ridge rock shore spring stone summit vale view wood")
	lasts  = strings.Fields("bank commerce energy finance freight goods health insurance logistics market media mobility motors networks retail robotics systems telecom travel")

	domains = strings.Fields("accounts analytics billing booking cards catalog claims consent contracts credit customers delivery devices disputes documents exchange fleet forecast fraud identity inventory invoices ledger lending loyalty messaging notifications orders parcels payments payouts pricing quotes ratings refunds reports returns risk routing scoring search settlement shipping statements stock subscriptions tax tickets tracking transfers treasury warehousing")
	stages  = []string{"", "bulk", "events", "insights", "partner"}

	collections = strings.Fields("accounts batches changes charges events items jobs limits mandates members notes offers owners periods plans records reviews rules schedules summaries")
)

// partnerName is the name and the title of partner i.
func partnerName(i int) (name, title string) {
	words := []string{firsts[i%len(firsts)], middle[i%len(middle)], lasts[i%len(lasts)]}
	name = words[0] + "-" + words[1] + "-" + words[2]
	title = titled(words[0]+words[1]) + " " + titled(words[2])
	if round := i / (len(firsts) * len(middle) * len(lasts)); round > 0 {
		name, title = fmt.Sprint(name, "-", round+1), fmt.Sprint(title, " ", round+1)
	}
	return name, title
}

// productName is the name and the title of product i.
func productName(i int) (name, title string) {
	domain, stage, round := domains[i%len(domains)], stages[i/len(domains)%len(stages)], i/len(domains)/len(stages)
	name, title = domain, titled(domain)
	if stage != "" {
		name, title = domain+"-"+stage, title+" "+stage
	}
	if round > 0 {
		name, title = fmt.Sprint(name, "-", round+1), fmt.Sprint(title, " ", round+1)
	}
	return name, title
}

func titled(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// MemberEmail is the address of the member of partner i.
func MemberEmail(i int) string {
	name, _ := partnerName(i)
	return "api@" + name + ".example"
}

// product makes product i with its OpenAPI document, served in both environments.
func product(i, operations int) *manager.Product {
	name, title := productName(i)
	return &manager.Product{Metadata: manager.Metadata{Name: name}, Spec: manager.ProductSpec{
		Title: title, Summary: title + " of our customers, for partners.", Team: "team-" + domains[i%len(domains)],
		Lifecycle: manager.LifecyclePublished, OpenAPI: openAPI(title, operations), BasePath: "/" + name + "/v1",
		Environments: map[string]manager.ProductEnvironment{
			"sandbox": {Hosts: []string{SandboxHost}}, "production": {Hosts: []string{ProductionHost}},
		},
	}}
}

// A collection has these operations, as far as there are so many.
var methods = []struct {
	method, verb string
	one          bool // of one element
}{
	{"get", "list", false}, {"post", "create", false}, {"get", "read", true}, {"put", "replace", true}, {"delete", "remove", true},
}

func openAPI(title string, operations int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "openapi: 3.0.3\ninfo: {title: %s, version: \"1\"}\npaths:\n", title)
	for n := 0; n < operations; n++ {
		c, m := n/len(methods), methods[n%len(methods)]
		name := collections[c%len(collections)]
		if round := c / len(collections); round > 0 {
			name = fmt.Sprint(name, round+1)
		}
		if n%len(methods) == 0 {
			fmt.Fprintf(&b, "  /%s:\n", name)
		}
		if m.one && !methods[n%len(methods)-1].one {
			fmt.Fprintf(&b, "  /%s/{id}:\n    parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n", name)
		}
		fmt.Fprintf(&b, "    %s: {operationId: %s-%s, summary: %s %s, responses: {\"200\": {description: Done}}}\n", m.method, m.verb, name, titled(m.verb), name)
	}
	return b.String()
}
