package rest

import (
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Usage has one row a group; each row has the grouped fields and "requests".
type Usage struct {
	From time.Time        `json:"from"` // whole minutes
	To   time.Time        `json:"to"`
	Rows []map[string]any `json:"rows"`
}

// Request is one logged decision.
type Request struct {
	Time          time.Time `json:"time"`
	RequestID     string    `json:"request_id"`
	Partner       string    `json:"partner"`
	Application   string    `json:"application"`
	Product       string    `json:"product"`
	Environment   string    `json:"environment"`
	Method        string    `json:"method"`
	Path          string    `json:"path"` // as received, without the query
	Operation     string    `json:"operation"`
	Outcome       string    `json:"outcome"`
	Status        int       `json:"status"`
	PolicyVersion int64     `json:"policy_version"`
	Credential    string    `json:"credential,omitempty"` // public id
	Limit         string    `json:"limit,omitempty"`
	Proxy         string    `json:"proxy,omitempty"`
}

// Explanation is what the policy decides on a request that nobody sent, and why.
type Explanation struct {
	Code          string                `json:"code"` // admitted, or the code of the refusal
	Status        int                   `json:"status,omitempty"`
	Detail        string                `json:"detail"`
	PolicyVersion int64                 `json:"policy_version"`
	At            time.Time             `json:"at"`
	Partner       string                `json:"partner"`
	Application   string                `json:"application,omitempty"`
	Environment   string                `json:"environment"`
	Credential    string                `json:"credential,omitempty"`
	Method        string                `json:"method"`
	Host          string                `json:"host"`
	Path          string                `json:"path"`
	Product       string                `json:"product,omitempty"`
	Operation     string                `json:"operation,omitempty"`
	Subscription  string                `json:"subscription,omitempty"`
	Steps         []manager.ExplainStep `json:"steps"`
}

// Catalog is what one partner can call in one environment.
type Catalog struct {
	Partner       string             `json:"partner"`
	Environment   string             `json:"environment"`
	PolicyVersion int64              `json:"policy_version"`
	Products      []CatalogProduct   `json:"products"`
	Operations    []CatalogOperation `json:"operations"`
}

// CatalogProduct is a product of a Catalog, callable or not.
type CatalogProduct struct {
	Product      string          `json:"product"`
	Title        string          `json:"title,omitempty"`
	Hosts        []string        `json:"hosts"`
	State        string          `json:"state"`
	Subscription string          `json:"subscription,omitempty"`
	Plan         string          `json:"plan,omitempty"`
	Limits       []manager.Limit `json:"limits"`
}

// CatalogOperation is an operation that can be called.
type CatalogOperation struct {
	Product     string `json:"product"`
	Environment string `json:"environment"`
	Method      string `json:"method"`
	Path        string `json:"path"` // with the product's basePath
	Operation   string `json:"operation"`
}
