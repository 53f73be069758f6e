package manager

import (
	"context"
	"time"
)

// NewKey is a key on the one occasion on which it is shown.
type NewKey struct {
	ID            string     `json:"id"` // the public id
	Key           string     `json:"key"`
	Environment   string     `json:"environment"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
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

// CreateCredential makes a key of an application. expiresIn 0 means that it never expires.
func (s *Service) CreateCredential(ctx context.Context, actor Actor, partner, application, environment string, expiresIn time.Duration) (*NewKey, error) {
	return nil, errUnbuilt()
}

// RotateCredential makes the key that replaces id; id stays valid for overlap.
func (s *Service) RotateCredential(ctx context.Context, actor Actor, id string, overlap time.Duration) (*NewKey, error) {
	return nil, errUnbuilt()
}

// RevokeCredential ends a key at once.
func (s *Service) RevokeCredential(ctx context.Context, actor Actor, id string) (policyVersion int64, err error) {
	return 0, errUnbuilt()
}

// Credential returns a credential by its public id.
func (s *Service) Credential(ctx context.Context, id string) (*Credential, error) {
	return nil, errUnbuilt()
}

// Credentials lists a partner's credentials, or those of one application.
func (s *Service) Credentials(ctx context.Context, partner, application string) ([]CredentialView, error) {
	return nil, errUnbuilt()
}
