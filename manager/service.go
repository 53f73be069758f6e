package manager

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/partnergate/partnergate/manager/telemetry"
)

// Config configures a Service.
type Config struct {
	Store   Store
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: slog.Default()
	Metrics *Metrics         // nil: none recorded
	// AuditKept is for how long entries of the audit log are kept; 0: for ever.
	AuditKept time.Duration
	Tracer    trace.Tracer // nil: no spans
}

// Service is the manager's domain: every change of policy, every key, member
// and answer goes through it. It is safe for concurrent use.
type Service struct {
	store     Store
	now       func() time.Time
	logger    *slog.Logger
	metrics   *Metrics
	tracing   tracing
	compiler  compiler
	publisher publisher
	passwords *passwords

	writing chan struct{} // holds one token while a change is decided and stored
	policy  atomic.Pointer[state]

	notifier Notifier      // nil where no other manager can share the store
	lookNow  chan struct{} // holds a token when poll is to ask at once
	outage   outage        // of the store

	contacts *contacts    // with proxies
	buckets  *bucketLocks // held while leases are decided on

	tokenUses tokenUses
	auditKept time.Duration

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	away   atomic.Pointer[error] // why the store did not answer last, nil when it did
}

// Actor is who changes something, and on whose behalf: {"admin", OwnerAPI},
// {"dev@acme.test", OwnerPortal}, {"apply", OwnerFile}. An actor of the portal
// may do what the roles of the member with that name allow.
type Actor struct {
	Name  string
	Owner Owner
	Grant *Grant // how far a token's changes go; nil: without bounds

	system bool // the manager itself
}

// NewService loads the policy, sees that the environments sandbox and
// production exist, and compiles the first snapshot. Close ends what it starts.
func NewService(ctx context.Context, c Config) (*Service, error) {
	s := &Service{
		now: c.Now, logger: telemetry.Logger(c.Logger), metrics: c.Metrics, tracing: tracing{c.Tracer},
		passwords: newPasswords(c.Metrics), writing: make(chan struct{}, 1),
		auditKept: c.AuditKept,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.store = &observedStore{Store: c.Store, metrics: s.metrics, tracing: s.tracing}
	s.publisher.changed = make(chan struct{})
	s.contacts, s.buckets = newContacts(s.now()), newBucketLocks()
	s.notifier, _ = c.Store.(Notifier)
	s.lookNow = make(chan struct{}, 1)
	s.metrics.countProxies(s.liveProxies)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.start(ctx); err != nil {
		s.cancel()
		return nil, err
	}
	s.metrics.serves(s)
	s.work.Go(s.poll)
	if s.notifier != nil {
		s.work.Go(s.listen)
	}
	s.work.Go(s.retain)
	return s, nil
}

func (s *Service) start(ctx context.Context) error {
	s.policy.Store(newState())
	if err := s.reload(ctx); err != nil {
		return err
	}
	_, err := s.change(ctx, Actor{Name: "manager", Owner: OwnerAPI, system: true}, bootstrap)
	return err
}

// bootstrap creates the environments that exist from the start.
func bootstrap(before *state) ([]Change, error) {
	var changes []Change
	for _, e := range firstEnvironments {
		if before.environments[e.name] == nil {
			changes = append(changes, e.change())
		}
	}
	return changes, nil
}

// firstEnvironment is an environment that always exists.
type firstEnvironment struct{ name, title string }

var firstEnvironments = []firstEnvironment{{"sandbox", "Sandbox"}, {"production", "Production"}}

// change makes the environment what it was at the start.
func (e firstEnvironment) change() Change {
	r := &Environment{Metadata: Metadata{Name: e.name, ManagedBy: OwnerAPI}, Spec: EnvironmentSpec{Title: e.title}}
	return Change{Ref: r.Ref(), After: r}
}

// Close ends watches and the background work at once. It is idempotent.
func (s *Service) Close() {
	s.cancel()
	s.work.Wait()
}

// Ready is nil once the store answers and the first snapshot is compiled.
func (s *Service) Ready() error {
	if s.ctx.Err() != nil {
		return &Error{Code: CodeUnavailable, Message: "the manager is stopping"}
	}
	if away := s.away.Load(); away != nil {
		return *away
	}
	return nil
}

// PolicyVersion is the revision of the policy that this Service decides by.
func (s *Service) PolicyVersion() int64 { return s.current().revision }

// Sessions is where the portal keeps its logins.
func (s *Service) Sessions() SessionStore { return sessions{s.store, s} }

// timestamp is now as it is stored.
func (s *Service) timestamp() *time.Time {
	now := s.now()
	return milliseconds(&now)
}

// current is the policy as this Service knows it.
func (s *Service) current() *state { return s.policy.Load() }

// unavailable is the error of a store that failed; the cause goes to the log,
// since it may say more than a caller should know.
func (s *Service) unavailable(what string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	if !errors.Is(err, context.Canceled) {
		s.metrics.storeFailed(what)
		s.logger.Error("the store failed", "call", what, "error", err)
	}
	return &Error{Code: CodeUnavailable, Message: "the store does not answer; try again in a moment", cause: err}
}
