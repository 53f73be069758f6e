package manager

import "strings"

// String is "Kind name", or "Kind partner/name" for what a partner owns.
func (r Ref) String() string {
	if r.Partner == "" {
		return string(r.Kind) + " " + r.Name
	}
	return string(r.Kind) + " " + r.Partner + "/" + r.Name
}

// owner is the partner that the resource is or belongs to, "" where there is none.
func (r Ref) owner() string {
	if r.Kind == KindPartner {
		return r.Name
	}
	return r.Partner
}

// owned tells whether resources of the kind belong to a partner.
func (k Kind) owned() bool {
	return k == KindApplication || k == KindSubscription || k == KindCredential
}

// newResource makes an empty resource of a kind that has a document form, or returns nil.
func newResource(kind Kind) Resource {
	switch kind {
	case KindEnvironment:
		return &Environment{}
	case KindProduct:
		return &Product{}
	case KindPlan:
		return &Plan{}
	case KindPartner:
		return &Partner{}
	case KindApplication:
		return &Application{}
	case KindSubscription:
		return &Subscription{}
	}
	return nil
}

// clone copies a resource as far as the manager writes in it: the head, and
// what normalize fills in.
func clone(r Resource) Resource {
	switch r := r.(type) {
	case *Environment:
		c := *r
		return &c
	case *Product:
		c := *r
		return &c
	case *Plan:
		c := *r
		return &c
	case *Partner:
		c := *r
		return &c
	case *Application:
		c := *r
		return &c
	case *Subscription:
		c := *r
		return &c
	case *Credential:
		c := *r
		return &c
	}
	panic("manager: unknown resource")
}

func kindList() string {
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// kindOrder is where a kind stands among Kinds; credentials come last.
func kindOrder(kind Kind) int {
	for i, k := range Kinds {
		if k == kind {
			return i
		}
	}
	return len(Kinds)
}
