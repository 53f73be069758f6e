// Package rest has the bodies of the admin API, as the server sends and reads
// them and as its clients do; openapi.json of httpapi describes them to others,
// and is compared with them.
package rest

import (
	"time"

	"github.com/partnergate/partnergate/manager"
)

// Page is the form of every list.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"` // empty on the last page
}

// Problem is the body of every refusal: RFC 9457, with members of our own.
type Problem struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Detail    string          `json:"detail"`
	Code      string          `json:"code"`
	Errors    []manager.Field `json:"errors,omitempty"` // each wrong field
	RequestID string          `json:"request_id"`
}

// Version tells by which policy version a change is in force.
type Version struct {
	PolicyVersion int64 `json:"policy_version"`
}

// Policy tells the current policy version, and which live proxies decide by an older one.
type Policy struct {
	PolicyVersion int64   `json:"policy_version"`
	Behind        []Proxy `json:"behind"`
}

// Proxy is one proxy process.
type Proxy struct {
	ID               string    `json:"id"`
	Node             string    `json:"node"`
	PolicyVersion    int64     `json:"policy_version"`
	PolicyAgeSeconds float64   `json:"policy_age_seconds"`
	LastSync         time.Time `json:"last_sync"`
	Live             bool      `json:"live"` // heard from within the time after which its shares are given on
}

// Deletion names resources to delete, all or nothing.
type Deletion struct {
	Resources []ResourceName `json:"resources"`
}

// ResourceName is a manager.Ref.
type ResourceName struct {
	Kind    manager.Kind `json:"kind"`
	Partner string       `json:"partner,omitempty"`
	Name    string       `json:"name"`
}
