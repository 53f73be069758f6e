package manager

import (
	"encoding/json"
	"fmt"
	"time"
)

// UnmarshalStored reads a resource as json.Marshal wrote it, with all of its
// times in UTC. It is for stores: documents of people go through ReadDocuments.
func UnmarshalStored(kind Kind, document []byte) (Resource, error) {
	resource := newResource(kind)
	if kind == KindCredential {
		resource = new(Credential)
	}
	if resource == nil {
		return nil, fmt.Errorf("this version of Partnergate does not know the kind %q", kind)
	}
	if err := json.Unmarshal(document, resource); err != nil {
		return nil, err
	}
	toUTC(resource)
	return resource, nil
}

// toUTC is for documents that were written with another offset.
func toUTC(resource Resource) {
	meta := resource.Meta()
	meta.CreatedAt, meta.UpdatedAt = meta.CreatedAt.UTC(), meta.UpdatedAt.UTC()
	var optional []*time.Time
	switch r := resource.(type) {
	case *Subscription:
		optional = []*time.Time{r.Spec.StartsAt, r.Spec.EndsAt}
	case *Credential:
		optional = []*time.Time{r.ExpiresAt, r.RevokedAt}
	}
	for _, t := range optional {
		if t != nil {
			*t = t.UTC()
		}
	}
}
