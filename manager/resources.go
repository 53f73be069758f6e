package manager

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// What Put and Delete expect of the stored resource, besides an exact revision.
const (
	AnyRevision  int64 = -1 // whatever is there, or nothing
	MustNotExist int64 = 0
)

// The most items of a page, and how many there are where nobody says.
const (
	maxPage     = 500
	defaultPage = 100
)

// Page is one page of a list; Next is the cursor of the next one, empty on the last.
type Page struct {
	Items []Resource
	Next  string
}

// Resource returns one resource, or CodeNotFound.
func (s *Service) Resource(_ context.Context, ref Ref) (Resource, error) {
	if r := s.current().get(ref); r != nil {
		return r, nil
	}
	return nil, notFound(ref)
}

func notFound(ref Ref) error {
	what := strings.ToLower(string(ref.Kind)) + " " + shortened(ref.Name)
	if ref.Partner != "" {
		what += " of partner " + shortened(ref.Partner)
	}
	return &Error{Code: CodeNotFound, Message: "there is no " + what}
}

// List lists resources of a kind, of one partner where partner is not empty,
// ordered by partner and name. limit is at most 500; 0 means 100. cursor is the
// Next of the page before, empty for the first.
func (s *Service) List(ctx context.Context, kind Kind, partner string, limit int, cursor string) (*Page, error) {
	return s.Find(ctx, Query{Kind: kind, Partner: partner, Limit: limit, Cursor: cursor})
}

// titleOf is a resource's title; a subscription's is the product's name.
func titleOf(r Resource) string {
	switch r := r.(type) {
	case *Environment:
		return r.Spec.Title
	case *Product:
		return r.Spec.Title
	case *Plan:
		return r.Spec.Title
	case *Partner:
		return r.Spec.Title
	case *Application:
		return r.Spec.Title
	case *Subscription:
		return r.Spec.Product
	}
	return ""
}

// cursorOf orders resources of one kind: by partner, then name. No name holds
// a byte as low as the one between them.
func cursorOf(r Resource) string { return r.Ref().Partner + "\x00" + r.Ref().Name }

func readCursor(cursor string) (string, error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", invalid("cursor", "is none that a list has given; leave it out to start over")
	}
	return string(after), nil
}

// invalid is an Error about one field.
func invalid(path, message string) error {
	return &Error{Code: CodeInvalid, Message: path + ": " + message, Fields: []Field{{Path: path, Message: message}}}
}

// Put creates or replaces one resource. expected is AnyRevision, MustNotExist,
// or the Metadata.Revision that must be stored; else CodeStale. What a file owns
// stays the file's: operators can change it at once, such as suspend a partner,
// until the file is applied again; for the portal it is CodeConflict.
func (s *Service) Put(ctx context.Context, actor Actor, r Resource, expected int64) (stored Resource, action Action, err error) {
	ref := r.Ref()
	if err := s.authorizeWrite(ctx, actor, ref); err != nil {
		return nil, "", err
	}
	var p problems
	prepared := prepare([]Resource{r}, s.current(), &p)
	if err := p.err(ref.String() + " is not valid"); err != nil {
		return nil, "", err
	}
	_, err = s.change(ctx, actor, func(before *state) ([]Change, error) {
		if err := writable(before, ref, actor, expected); err != nil {
			return nil, err
		}
		stored = clone(prepared[0]) // its head is written, perhaps once for each try
		stored.Meta().ManagedBy = actor.Owner
		action = ActionCreated
		if there := before.get(ref); there != nil {
			if there.Meta().ManagedBy == OwnerFile {
				stored.Meta().ManagedBy = OwnerFile
			}
			action = ActionUpdated
			if sameSpec(there, stored) {
				stored, action = there, ActionUnchanged
				return nil, nil
			}
		}
		return []Change{{Ref: ref, After: stored}}, nil
	})
	if err != nil {
		return nil, "", err
	}
	return stored, action, nil
}

// writable checks revision and owner of what is stored under ref. What is
// beyond the actor's grant is refused first: the rest would tell what it is.
func writable(before *state, ref Ref, actor Actor, expected int64) error {
	there := before.get(ref)
	if actor.Grant.Confined() && !actor.Grant.coversResource(before, there) {
		return actor.Grant.beyond(ref)
	}
	revision := MustNotExist
	if there != nil {
		revision = there.Meta().Revision
	}
	switch {
	case expected == MustNotExist && there != nil:
		return &Error{Code: CodeStale, Message: fmt.Sprintf("%s exists already, at revision %d; read it and send that revision", ref, revision)}
	case expected > 0 && there == nil:
		return &Error{Code: CodeStale, Message: fmt.Sprintf("%s does not exist, so it has no revision %d; it may have been deleted", ref, expected)}
	case expected > 0 && revision != expected:
		return &Error{Code: CodeStale, Message: fmt.Sprintf("%s has been changed since revision %d; it is at %d now. Read it again and repeat the change", ref, expected, revision)}
	case there != nil && there.Meta().ManagedBy == OwnerFile && actor.Owner == OwnerPortal:
		return &Error{Code: CodeConflict, Reason: ReasonFileOwned, Message: fmt.Sprintf("%s is managed by a file; change the file and apply it", ref)}
	}
	return nil
}

// Delete deletes one resource that no other needs, and returns the policy's
// version without it. expected is as for Put, without MustNotExist.
func (s *Service) Delete(ctx context.Context, actor Actor, ref Ref, expected int64) (policyVersion int64, err error) {
	return s.delete(ctx, actor, ref, expected, nil)
}

// DeleteApplication deletes an application that no subscription names, with
// those of its working keys that are given: they end in the same change. Another
// key that works is CodeConflict, so that nobody ends one without having seen it.
func (s *Service) DeleteApplication(ctx context.Context, actor Actor, partner, name string, keys []string) (policyVersion int64, err error) {
	return s.delete(ctx, actor, Ref{Kind: KindApplication, Partner: partner, Name: name}, AnyRevision, keys)
}

func (s *Service) delete(ctx context.Context, actor Actor, ref Ref, expected int64, keys []string) (policyVersion int64, err error) {
	if err := s.authorizeWrite(ctx, actor, ref); err != nil {
		return 0, err
	}
	after, err := s.change(ctx, actor, func(before *state) ([]Change, error) {
		if before.get(ref) == nil {
			return nil, notFound(ref)
		}
		if firstEnvironmentOf(ref) != nil {
			return nil, &Error{Code: CodeConflict, Message: ref.String() + " always exists; leave it unused instead"}
		}
		if err := writable(before, ref, actor, expected); err != nil {
			return nil, err
		}
		changes := []Change{{Ref: ref}}
		for _, id := range slices.Compact(slices.Sorted(slices.Values(keys))) {
			if c := before.credentials.get(id); c != nil && c.Metadata.Partner == ref.Partner && c.needs(ref) {
				changes = append(changes, Change{Ref: c.Ref()})
			}
		}
		return changes, nil
	})
	if err != nil {
		return 0, err
	}
	return after.revision, nil
}

// authorizeWrite lets operators write everything that has a document, and
// people of the portal their partner's applications.
func (s *Service) authorizeWrite(ctx context.Context, actor Actor, ref Ref) error {
	if newResource(ref.Kind) == nil {
		return notFound(ref)
	}
	if actor.Owner != OwnerPortal {
		return nil
	}
	if ref.Kind != KindApplication {
		return &Error{Code: CodeForbidden, Message: "members manage applications and keys; ask the operator for other changes"}
	}
	return s.authorize(ctx, actor, ref.Partner, RoleDeveloper)
}
