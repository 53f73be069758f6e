// Package manager is the domain of Partnergate: partners, their applications
// and subscriptions, products, plans and environments; the policy compiled
// from them; what was called, and how much of each contract is spent. Stores
// (manager/sqlite), HTTP (manager/httpapi), the portal and the command are
// dependencies around it and import it, never the other way round.
package manager

import "time"

// APIVersion is the apiVersion of every resource document.
const APIVersion = "partnergate.dev/v1alpha1"

// Kind names a kind of resource.
type Kind string

// The kinds, in the order in which they can be applied: each refers only to
// kinds before it.
const (
	KindEnvironment  Kind = "Environment"
	KindProduct      Kind = "Product"
	KindPlan         Kind = "Plan"
	KindPartner      Kind = "Partner"
	KindApplication  Kind = "Application"
	KindSubscription Kind = "Subscription"
	// KindCredential is stored and versioned with the policy, but never
	// belongs to files and has no document form.
	KindCredential Kind = "Credential"
)

// Kinds are the kinds that have a document form, in the order of applying.
var Kinds = []Kind{KindEnvironment, KindProduct, KindPlan, KindPartner, KindApplication, KindSubscription}

// Owner tells who manages a resource: a file in Git, the portal, or the API.
type Owner string

// The owners.
const (
	OwnerFile   Owner = "file"
	OwnerPortal Owner = "portal"
	OwnerAPI    Owner = "api"
)

// Ref names one resource. Partner is empty for kinds that no partner owns.
type Ref struct {
	Kind    Kind
	Partner string
	Name    string
}

// Metadata is the head of a resource document. The fields after Partner are
// written by the manager; in documents sent to it they are ignored.
type Metadata struct {
	Name      string    `json:"name" yaml:"name"`
	Partner   string    `json:"partner,omitempty" yaml:"partner,omitempty"`
	ManagedBy Owner     `json:"managed_by,omitempty" yaml:"managed_by,omitempty"`
	Revision  int64     `json:"revision,omitempty" yaml:"revision,omitempty"` // policy version of the last change; the ETag
	CreatedAt time.Time `json:"created_at,omitzero" yaml:"created_at,omitempty"`
	UpdatedAt time.Time `json:"updated_at,omitzero" yaml:"updated_at,omitempty"`
}

// Resource is one policy document: *Environment, *Product, *Plan, *Partner,
// *Application, *Subscription or *Credential. A Resource that was handed to or
// got from a Store or a Service is shared: it is never changed in place.
type Resource interface {
	Ref() Ref
	Meta() *Metadata
}

// Environment is sandbox, production, or another that the operator declares.
type Environment struct {
	Metadata Metadata        `json:"metadata" yaml:"metadata"`
	Spec     EnvironmentSpec `json:"spec" yaml:"spec"`
}

// EnvironmentSpec is the spec of an Environment.
type EnvironmentSpec struct {
	Title   string `json:"title,omitempty" yaml:"title,omitempty"`
	Gateway string `json:"gateway,omitempty" yaml:"gateway,omitempty"` // base URL at which the gateway is reached; may be empty
}

// Product is a published set of operations.
type Product struct {
	Metadata Metadata    `json:"metadata" yaml:"metadata"`
	Spec     ProductSpec `json:"spec" yaml:"spec"`
}

// Lifecycle is a product's stage.
type Lifecycle string

// The stages. Operations of published and deprecated products can be called.
const (
	LifecycleDraft      Lifecycle = "draft"
	LifecyclePublished  Lifecycle = "published"
	LifecycleDeprecated Lifecycle = "deprecated"
	LifecycleRetired    Lifecycle = "retired"
)

// ProductSpec is the spec of a Product.
type ProductSpec struct {
	Title        string                        `json:"title,omitempty" yaml:"title,omitempty"`
	Summary      string                        `json:"summary,omitempty" yaml:"summary,omitempty"`
	Team         string                        `json:"team,omitempty" yaml:"team,omitempty"`
	Lifecycle    Lifecycle                     `json:"lifecycle,omitempty" yaml:"lifecycle,omitempty"`
	OpenAPI      string                        `json:"openapi" yaml:"openapi"` // the whole document, JSON or YAML text (a file's path is replaced by its text before it gets here)
	BasePath     string                        `json:"basePath,omitempty" yaml:"basePath,omitempty"`
	Discoverable bool                          `json:"discoverable,omitempty" yaml:"discoverable,omitempty"`
	Environments map[string]ProductEnvironment `json:"environments,omitempty" yaml:"environments,omitempty"`
	Capacity     *Rate                         `json:"capacity,omitempty" yaml:"capacity,omitempty"`

	// Operations are read from OpenAPI when the product is stored, in the
	// document's order.
	Operations []Operation `json:"-" yaml:"-"`
}

// ProductEnvironment says on which hosts a product is served in one environment.
type ProductEnvironment struct {
	Hosts []string `json:"hosts" yaml:"hosts"`
}

// Operation is one method and path template of a product.
type Operation struct {
	ID          string // operationId, or "METHOD path", as the document writes the path, where it has none
	Method      string // upper case
	Path        string // template with the product's base path: /payments/{id}
	Summary     string
	Description string // Markdown, untrusted
	Tags        []string
	Deprecated  bool
	Parameters  []*Parameter // of the path in its order, then those of query and headers in the document's
}

// Parameter is what an operation takes beside its body.
type Parameter struct {
	Name        string
	In          string // path, query or header
	Required    bool
	Type        string   // in words, such as "integer", or "string (date)"; empty where the document has none
	Values      []string // the only ones, where the document has a list
	Description string   // Markdown, untrusted
}

// Plan is a named set of limits.
type Plan struct {
	Metadata Metadata `json:"metadata" yaml:"metadata"`
	Spec     PlanSpec `json:"spec" yaml:"spec"`
}

// PlanSpec is the spec of a Plan.
type PlanSpec struct {
	Title  string  `json:"title,omitempty" yaml:"title,omitempty"`
	Weight int     `json:"weight,omitempty" yaml:"weight,omitempty" default:"1"` // share of a product's capacity when it is short; 0 means 1
	Limits []Limit `json:"limits,omitempty" yaml:"limits,omitempty"`
}

// Scope tells whose requests one counter of a limit counts.
type Scope string

// The scopes; the zero value means ScopeSubscription.
const (
	ScopeSubscription Scope = "subscription"
	ScopePartner      Scope = "partner"
	ScopeApplication  Scope = "application"
)

// Limit is one rate, quota or concurrency limit: exactly one of the three is set.
type Limit struct {
	Name        string       `json:"name" yaml:"name"`
	Scope       Scope        `json:"scope,omitempty" yaml:"scope,omitempty"`
	Operations  []string     `json:"operations,omitzero" yaml:"operations,omitempty"` // operation ids; nil means all
	Rate        *Rate        `json:"rate,omitempty" yaml:"rate,omitempty"`
	Quota       *Quota       `json:"quota,omitempty" yaml:"quota,omitempty"`
	Concurrency *Concurrency `json:"concurrency,omitempty" yaml:"concurrency,omitempty"`
}

// Rate admits at most burst + requests × t ÷ per in any interval t.
type Rate struct {
	Requests int64  `json:"requests" yaml:"requests"`
	Per      string `json:"per" yaml:"per"`                                            // second | minute | hour
	Burst    int64  `json:"burst,omitempty" yaml:"burst,omitempty" default:"requests"` // 0 means Requests
}

// Quota admits at most Requests in a calendar window, UTC.
type Quota struct {
	Requests int64  `json:"requests" yaml:"requests"`
	Per      string `json:"per" yaml:"per"` // day | month
}

// Concurrency admits at most Requests in flight.
type Concurrency struct {
	Requests int64 `json:"requests" yaml:"requests"`
}

// State is the state of a partner (active, suspended) or a subscription (all four).
type State string

// The states.
const (
	StateRequested State = "requested"
	StateActive    State = "active"
	StateSuspended State = "suspended"
	StateEnded     State = "ended"
)

// Partner is a company under contract, or a team that must not see the others' products.
type Partner struct {
	Metadata Metadata    `json:"metadata" yaml:"metadata"`
	Spec     PartnerSpec `json:"spec" yaml:"spec"`
}

// PartnerSpec is the spec of a Partner.
type PartnerSpec struct {
	Title   string       `json:"title,omitempty" yaml:"title,omitempty"`
	State   State        `json:"state,omitempty" yaml:"state,omitempty"`
	Support Support      `json:"support,omitzero" yaml:"support,omitempty"`
	Members []MemberSeed `json:"members,omitempty" yaml:"members,omitempty"` // a seed, never the full list
}

// Support is how a partner is looked after.
type Support struct {
	Tier  string `json:"tier,omitempty" yaml:"tier,omitempty"`
	Email string `json:"email,omitempty" yaml:"email,omitempty"`
}

// MemberSeed is a member named in a partner's document.
type MemberSeed struct {
	Email string `json:"email" yaml:"email"`
	Role  Role   `json:"role,omitempty" yaml:"role,omitempty"`
}

// Application is a partner's client program.
type Application struct {
	Metadata Metadata        `json:"metadata" yaml:"metadata"`
	Spec     ApplicationSpec `json:"spec" yaml:"spec"`
}

// ApplicationSpec is the spec of an Application.
type ApplicationSpec struct {
	Title string `json:"title,omitempty" yaml:"title,omitempty"`
}

// Subscription grants a partner a product in an environment under a plan.
type Subscription struct {
	Metadata Metadata         `json:"metadata" yaml:"metadata"`
	Spec     SubscriptionSpec `json:"spec" yaml:"spec"`
}

// SubscriptionSpec is the spec of a Subscription.
type SubscriptionSpec struct {
	Product      string     `json:"product" yaml:"product"`
	Environment  string     `json:"environment" yaml:"environment"`
	Plan         string     `json:"plan,omitempty" yaml:"plan,omitempty"` // may be missing while requested or ended
	State        State      `json:"state,omitempty" yaml:"state,omitempty"`
	Operations   []string   `json:"operations,omitzero" yaml:"operations,omitempty"`     // operation ids; nil means all
	Applications []string   `json:"applications,omitzero" yaml:"applications,omitempty"` // names; nil means all
	Overrides    *Overrides `json:"overrides,omitempty" yaml:"overrides,omitempty"`
	StartsAt     *time.Time `json:"startsAt,omitempty" yaml:"startsAt,omitempty"`
	EndsAt       *time.Time `json:"endsAt,omitempty" yaml:"endsAt,omitempty"`
}

// Overrides replaces limits of the plan by name, and adds those whose name the plan lacks.
type Overrides struct {
	Limits []Limit `json:"limits,omitzero" yaml:"limits"`
}

// Credential is one key of an application. Its secret is never stored.
type Credential struct {
	Metadata    Metadata   `json:"metadata"` // Name is the public id
	Application string     `json:"application"`
	Environment string     `json:"environment"`
	Digest      [32]byte   `json:"digest"` // SHA-256 of the whole key
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	RotatedTo   string     `json:"rotated_to,omitempty"`   // id of the key that replaced it
	RotatedFrom string     `json:"rotated_from,omitempty"` // id of the key that it replaced
}

// Ref implements Resource.
func (r *Environment) Ref() Ref { return Ref{Kind: KindEnvironment, Name: r.Metadata.Name} }

// Ref implements Resource.
func (r *Product) Ref() Ref { return Ref{Kind: KindProduct, Name: r.Metadata.Name} }

// Ref implements Resource.
func (r *Plan) Ref() Ref { return Ref{Kind: KindPlan, Name: r.Metadata.Name} }

// Ref implements Resource.
func (r *Partner) Ref() Ref { return Ref{Kind: KindPartner, Name: r.Metadata.Name} }

// Ref implements Resource.
func (r *Application) Ref() Ref { return r.Metadata.ref(KindApplication) }

// Ref implements Resource.
func (r *Subscription) Ref() Ref { return r.Metadata.ref(KindSubscription) }

// Ref implements Resource.
func (r *Credential) Ref() Ref { return r.Metadata.ref(KindCredential) }

// Meta implements Resource.
func (r *Environment) Meta() *Metadata { return &r.Metadata }

// Meta implements Resource.
func (r *Product) Meta() *Metadata { return &r.Metadata }

// Meta implements Resource.
func (r *Plan) Meta() *Metadata { return &r.Metadata }

// Meta implements Resource.
func (r *Partner) Meta() *Metadata { return &r.Metadata }

// Meta implements Resource.
func (r *Application) Meta() *Metadata { return &r.Metadata }

// Meta implements Resource.
func (r *Subscription) Meta() *Metadata { return &r.Metadata }

// Meta implements Resource.
func (r *Credential) Meta() *Metadata { return &r.Metadata }

func (m *Metadata) ref(kind Kind) Ref { return Ref{Kind: kind, Partner: m.Partner, Name: m.Name} }
