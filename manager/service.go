package manager

import (
	"context"
	"log/slog"
	"time"
)

// Config configures a Service.
type Config struct {
	Store   Store
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: slog.Default()
	Metrics *Metrics         // nil: none recorded
}

// Service is the manager's domain: every change of policy, every key, member
// and answer goes through it. It is safe for concurrent use.
type Service struct {
	store   Store
	now     func() time.Time
	logger  *slog.Logger
	metrics *Metrics
}

// Actor is who changes something, and on whose behalf: {"admin", OwnerAPI},
// {"dev@acme.test", OwnerPortal}, {"apply", OwnerFile}.
type Actor struct {
	Name  string
	Owner Owner
}

// NewService loads the policy, sees that the environments sandbox and
// production exist, and compiles the first snapshot.
func NewService(ctx context.Context, c Config) (*Service, error) { return nil, errUnbuilt() }

// Close ends watches and the background work at once. It is idempotent.
func (s *Service) Close() {}

// Ready is nil once the store answers and the first snapshot is compiled.
func (s *Service) Ready() error { return errUnbuilt() }

// PolicyVersion is the revision of the policy that this Service decides by.
func (s *Service) PolicyVersion() int64 { return 0 }

// Sessions is where the portal keeps its logins.
func (s *Service) Sessions() SessionStore { return s.store }

func errUnbuilt() error { return &Error{Code: CodeUnavailable, Message: "not built yet"} }
