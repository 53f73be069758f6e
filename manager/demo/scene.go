package demo

import (
	"io/fs"

	envoyexamples "github.com/partnergate/partnergate/envoy-examples"
)

// scene is what a demo shows: an estate, who calls in it, and what they are answered.
type scene struct {
	folder  string // of the estate, in the repository
	estate  fs.FS
	members []shownMember
	hosts   []shownHost
	keys    []Key
	served  []place // what each key must be admitted to before the demo says that it runs
	calls   []shownCall
	flooded place  // is called until the limit is spent
	flood   string // what that should answer
	partner string // whom the command's examples ask for
}

type shownMember struct{ email, sees string }

type shownHost struct {
	host, note string // %s in note is the gateway's address
}

// place is a path on a host, called with the key of a variable; "" is without one.
type place struct{ variable, host, path string }

type shownCall struct {
	place
	answer string // what it should answer: the status, then the code of a refusal, then why
}

// sceneOf gives the scene of an Envoy example. Each is the sample estate's, but that of quota-only, which has an estate of its own.
func sceneOf(example string) *scene {
	if example == "quota-only" {
		return &quotaOnly
	}
	return &sampleEstate
}

// Hosts of the sample estate, and that of quota-only's.
const (
	sandboxHost    = "sandbox.api.localhost"
	productionHost = "api.localhost"
	limitsHost     = "limits.localhost"
)

const (
	paymentsPath = "/payments/charges"
	riskPath     = "/risk/feeds"
	nowherePath  = "/no/such/thing"
)

var sampleEstate = scene{
	folder: "envoy-examples/estate",
	estate: envoyexamples.Estate,
	members: []shownMember{
		{"dana@cobalt.example", "Cobalt Commerce: sees payments"},
		{"noor@delta.example", "Delta Ledger: sees payments and risk feeds"},
	},
	hosts: []shownHost{{sandboxHost, "or http://%s"}, {productionHost, "with the host in the Host header"}},
	keys: []Key{
		{Variable: "COBALT_SANDBOX", Partner: "cobalt", Application: "checkout", Environment: "sandbox"},
		{Variable: "COBALT_PRODUCTION", Partner: "cobalt", Application: "checkout", Environment: "production"},
		{Variable: "DELTA_SANDBOX", Partner: "delta", Application: "ledger", Environment: "sandbox"},
		{Variable: "DELTA_PRODUCTION", Partner: "delta", Application: "ledger", Environment: "production"},
	},
	served: []place{
		{"COBALT_SANDBOX", sandboxHost, paymentsPath}, {"DELTA_SANDBOX", sandboxHost, paymentsPath}, {"DELTA_SANDBOX", sandboxHost, riskPath},
	},
	calls: []shownCall{
		{place{"COBALT_SANDBOX", sandboxHost, paymentsPath}, "200: Cobalt has payments; the answer shows what the upstream received"},
		{place{"COBALT_SANDBOX", sandboxHost, riskPath}, "404 operation_not_found: Cobalt has no risk feeds, and is not told that they exist"},
		{place{"COBALT_SANDBOX", sandboxHost, nowherePath}, "404 operation_not_found: the same answer as for nonsense"},
		{place{"DELTA_SANDBOX", sandboxHost, riskPath}, "200: Delta has both"},
		{place{"COBALT_SANDBOX", productionHost, paymentsPath}, "403 environment_mismatch: a sandbox key on the production host"},
		{place{"", sandboxHost, paymentsPath}, "401 credential_missing"},
	},
	flooded: place{"COBALT_SANDBOX", sandboxHost, paymentsPath},
	flood:   `200 about ten times, then 429: Cobalt's limit "throughput" is spent, while Delta is still served`,
	partner: "cobalt",
}

var quotaOnly = scene{
	folder: "envoy-examples/quota-only/estate",
	estate: envoyexamples.QuotaOnlyEstate,
	members: []shownMember{
		{"ines@maple.example", "Maple Travel: a small contract"},
		{"omar@quartz.example", "Quartz Logistics: a large one"},
	},
	hosts: []shownHost{{limitsHost, "or http://%s with the host in the Host header"}},
	keys: []Key{
		{Variable: "MAPLE", Partner: "maple", Application: "booking", Environment: "production"},
		{Variable: "QUARTZ", Partner: "quartz", Application: "tracking", Environment: "production"},
	},
	served: []place{{"MAPLE", limitsHost, paymentsPath}, {"QUARTZ", limitsHost, paymentsPath}},
	calls: []shownCall{
		{place{"MAPLE", limitsHost, paymentsPath}, "200: the answer shows what the upstream received"},
		{place{"MAPLE", limitsHost, riskPath}, "200: every partner may call everything"},
		{place{"MAPLE", limitsHost, nowherePath}, "404: the upstream's own answer, counted like any other"},
		{place{"QUARTZ", limitsHost, paymentsPath}, "200: Quartz, out of its own contract"},
		{place{"MAPLE", limitsHost, "/payments//charges"}, "400 path_not_canonical: two programs could read it differently"},
		{place{"", limitsHost, paymentsPath}, "401 credential_missing: nobody to count it for"},
	},
	flooded: place{"MAPLE", limitsHost, paymentsPath},
	flood:   `200 about ten times, then 429: Maple's limit "throughput" is spent, while Quartz is still served`,
	partner: "maple",
}
