package manager

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of credentials.
const (
	minLife            = time.Minute // of tokens too; a shorter one would be over before it can be used
	maxKeyLife         = 10 * 365 * 24 * time.Hour
	maxOverlap         = 90 * 24 * time.Hour
	maxApplicationKeys = 1_000 // live ones of one application
)

// NewKey is a key on the one occasion on which it is shown.
type NewKey struct {
	ID            string     `json:"id"` // the public id
	Key           string     `json:"key"`
	Environment   string     `json:"environment"`
	ExpiresAt     *time.Time `json:"expires_at"` // null: never
	PolicyVersion int64      `json:"policy_version"`
}

// CredentialView is a credential with what is known about it now.
type CredentialView struct {
	*Credential
	State      string     // one of the states below
	LastUsedAt *time.Time // admitted or refused; nil where never seen
}

// The states of a credential. Expiring is active with an end.
const (
	CredentialActive   = "active"
	CredentialExpiring = "expiring"
	CredentialExpired  = "expired"
	CredentialRevoked  = "revoked"
)

// StateAt is the credential's state at a time.
func (r *Credential) StateAt(now time.Time) string {
	switch {
	case r.RevokedAt != nil:
		return CredentialRevoked
	case r.ExpiresAt == nil:
		return CredentialActive
	case now.Before(*r.ExpiresAt):
		return CredentialExpiring
	}
	return CredentialExpired
}

// live tells whether the key can still be used.
func (r *Credential) live(now time.Time) bool {
	state := r.StateAt(now)
	return state == CredentialActive || state == CredentialExpiring
}

// CreateCredential makes a key of an application. expiresIn 0 means that it
// never expires; any other is minLife or more.
func (s *Service) CreateCredential(ctx context.Context, actor Actor, partner, application, environment string, expiresIn time.Duration) (*NewKey, error) {
	if err := s.authorize(ctx, actor, partner, RoleDeveloper); err != nil {
		return nil, err
	}
	if expiresIn != 0 && (expiresIn < minLife || expiresIn > maxKeyLife) {
		return nil, invalid("expires_in", fmt.Sprintf("%v is out of range; give 1m to %dd, or nothing for a key that never expires", expiresIn, maxKeyLife/(24*time.Hour)))
	}
	key, digest, id := newKey(environment)
	created := &Credential{Application: application, Environment: environment, Digest: digest}
	created.Metadata = Metadata{Name: id, Partner: partner, ManagedBy: actor.Owner}
	if expiresIn > 0 {
		ends := s.timestamp().Add(expiresIn)
		created.ExpiresAt = milliseconds(&ends)
	}
	after, err := s.change(ctx, actor, func(before *state) ([]Change, error) {
		if err := s.canHoldKey(before, created); err != nil {
			return nil, err
		}
		return []Change{{Ref: created.Ref(), After: clone(created)}}, nil
	})
	if err != nil {
		return nil, err
	}
	return &NewKey{ID: id, Key: key, Environment: environment, ExpiresAt: created.ExpiresAt, PolicyVersion: after.revision}, nil
}

// canHoldKey checks what a new credential refers to.
func (s *Service) canHoldKey(before *state, c *Credential) error {
	p, exists := before.partner(c.Metadata.Partner)
	if !exists {
		return notFound(Ref{Kind: KindPartner, Name: c.Metadata.Partner})
	}
	if p.applications[c.Application] == nil {
		return notFound(Ref{Kind: KindApplication, Partner: c.Metadata.Partner, Name: c.Application})
	}
	if before.environments[c.Environment] == nil {
		return invalid("environment", fmt.Sprintf("there is no environment %q; the environments are %s", shortened(c.Environment), strings.Join(names(before.environments), ", ")))
	}
	live := 0
	now := s.now()
	for _, other := range p.credentials {
		if other.Application == c.Application && other.live(now) {
			live++
		}
	}
	if live >= maxApplicationKeys {
		return &Error{Code: CodeConflict, Message: fmt.Sprintf("the application %s has %d keys already; revoke some first", c.Application, live)}
	}
	return nil
}

// RotateCredential makes the key that replaces id, in the same application and
// environment and for as long as the old one was meant to live. id stays valid
// for overlap, but no longer than before.
func (s *Service) RotateCredential(ctx context.Context, actor Actor, id string, overlap time.Duration) (*NewKey, error) {
	old, err := s.ownCredential(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > maxOverlap {
		return nil, invalid("overlap", fmt.Sprintf("%v is out of range; give up to %v", overlap, maxOverlap))
	}
	key, digest, newID := newKey(old.Environment)
	var created *Credential
	after, err := s.change(ctx, actor, func(before *state) ([]Change, error) {
		now := *s.timestamp()
		stored := before.credentials.get(id)
		if err := rotatable(stored, id, now); err != nil {
			return nil, err
		}
		created = stored.successor(newID, digest, actor.Owner, now)
		replaced := clone(stored).(*Credential)
		replaced.RotatedTo = newID
		if ends := now.Add(overlap); replaced.ExpiresAt == nil || ends.Before(*replaced.ExpiresAt) {
			replaced.ExpiresAt = milliseconds(&ends)
		}
		return []Change{{Ref: created.Ref(), After: created}, {Ref: replaced.Ref(), After: replaced}}, nil
	})
	if err != nil {
		return nil, err
	}
	return &NewKey{ID: newID, Key: key, Environment: created.Environment, ExpiresAt: created.ExpiresAt, PolicyVersion: after.revision}, nil
}

func rotatable(c *Credential, id string, now time.Time) error {
	switch {
	case c == nil:
		return notFound(Ref{Kind: KindCredential, Name: id})
	case !c.live(now):
		return &Error{Code: CodeConflict, Message: fmt.Sprintf("the key %s is %s; create a new one", id, c.StateAt(now))}
	case c.RotatedTo != "":
		return &Error{Code: CodeConflict, Message: fmt.Sprintf("the key %s has been replaced by %s already; rotate that one", id, c.RotatedTo)}
	}
	return nil
}

// successor is the credential that replaces r.
func (r *Credential) successor(id string, digest [32]byte, owner Owner, now time.Time) *Credential {
	next := &Credential{Application: r.Application, Environment: r.Environment, Digest: digest, RotatedFrom: r.Metadata.Name}
	next.Metadata = Metadata{Name: id, Partner: r.Metadata.Partner, ManagedBy: owner}
	if r.ExpiresAt != nil {
		ends := now.Add(r.ExpiresAt.Sub(r.Metadata.CreatedAt))
		next.ExpiresAt = milliseconds(&ends)
	}
	return next
}

// RevokeCredential ends a key at once, and returns the policy's version
// without it. A key that is revoked stays so.
func (s *Service) RevokeCredential(ctx context.Context, actor Actor, id string) (policyVersion int64, err error) {
	if _, err := s.ownCredential(ctx, actor, id); err != nil {
		return 0, err
	}
	after, err := s.change(ctx, actor, func(before *state) ([]Change, error) {
		stored := before.credentials.get(id)
		if stored == nil {
			return nil, notFound(Ref{Kind: KindCredential, Name: id})
		}
		if stored.RevokedAt != nil {
			return nil, nil
		}
		revoked := clone(stored).(*Credential)
		revoked.RevokedAt = s.timestamp()
		return []Change{{Ref: revoked.Ref(), After: revoked}}, nil
	})
	if err != nil {
		return 0, err
	}
	return after.revision, nil
}

// ownCredential returns a credential that the actor may change.
func (s *Service) ownCredential(ctx context.Context, actor Actor, id string) (*Credential, error) {
	c, err := s.Credential(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, actor, c.Metadata.Partner, RoleDeveloper); CodeOf(err) == CodeNotFound {
		return nil, notFound(Ref{Kind: KindCredential, Name: id}) // to strangers it does not exist
	} else if err != nil {
		return nil, err
	}
	return c, nil
}

// Credential returns a credential by its public id, or CodeNotFound.
func (s *Service) Credential(_ context.Context, id string) (*Credential, error) {
	if c := s.current().credentials.get(id); c != nil {
		return c, nil
	}
	return nil, notFound(Ref{Kind: KindCredential, Name: id})
}

// Credentials lists a partner's credentials, or those of one application,
// newest first, with when they were last seen.
func (s *Service) Credentials(ctx context.Context, partner, application string) ([]CredentialView, error) {
	p, exists := s.current().partner(partner)
	if !exists {
		return nil, notFound(Ref{Kind: KindPartner, Name: partner})
	}
	if application != "" && p.applications[application] == nil {
		return nil, notFound(Ref{Kind: KindApplication, Partner: partner, Name: application})
	}
	used, err := s.store.CredentialUses(ctx, partner)
	if err != nil {
		return nil, s.unavailable("CredentialUses", err)
	}
	return p.views(application, used, s.now()), nil
}

// views are the partner's credentials, newest first.
func (p *partnerState) views(application string, used map[string]time.Time, now time.Time) []CredentialView {
	views := make([]CredentialView, 0, len(p.credentials))
	for id, c := range p.credentials {
		if application != "" && c.Application != application {
			continue
		}
		view := CredentialView{Credential: c, State: c.StateAt(now)}
		if at, seen := used[id]; seen {
			view.LastUsedAt = &at
		}
		views = append(views, view)
	}
	slices.SortFunc(views, func(a, b CredentialView) int {
		return cmp.Or(b.Metadata.CreatedAt.Compare(a.Metadata.CreatedAt), cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	return views
}

// credentialSpec is what the API shows of a credential: all but its digest.
func credentialSpec(c *Credential) any {
	return struct {
		Application string     `json:"application"`
		Environment string     `json:"environment"`
		ExpiresAt   *time.Time `json:"expires_at,omitempty"`
		RevokedAt   *time.Time `json:"revoked_at,omitempty"`
		RotatedTo   string     `json:"rotated_to,omitempty"`
		RotatedFrom string     `json:"rotated_from,omitempty"`
	}{c.Application, c.Environment, c.ExpiresAt, c.RevokedAt, c.RotatedTo, c.RotatedFrom}
}
