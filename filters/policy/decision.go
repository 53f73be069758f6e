package policy

// Decision is what is known of one request so far. Its strings are views: of
// the snapshot, or of the bytes that it was parsed from.
type Decision struct {
	Code          Code
	Stage         Stage
	PolicyVersion uint64

	Key                                           [32]byte // digest of the key presented; zero while there is none
	Partner, Application, Environment, Credential string
	Product, Operation, Subscription              string
	Limit                                         string // the limit that refused
}

// Stage is how far a decision has come. A filter that finds less than it needs
// refuses with FilterMissing.
type Stage uint8

// The stages.
const (
	StageNone Stage = iota
	StageResolved
	StageGated
	StageMetered
)

// Request is what a decision is made from.
type Request struct {
	Method string
	Host   string // the :authority or Host header as received
	Path   string // the :path as received, with its query

	// Credentials found: the first, and how many values there were in all.
	Key  string
	Keys int

	// Only restricts the environment to one, as configured; empty for none.
	Only string
	Now  int64 // Unix milliseconds

	// Scratch space, kept between requests.
	path, host []byte
}

// refuse records a refusal.
func (d *Decision) refuse(c Code) { d.Code = c }

const decisionFormat = 2

// Append encodes the decision for the filter after this one.
func (d *Decision) Append(b []byte) []byte {
	b = append(b, decisionFormat, byte(d.Code), byte(d.Stage))
	b = appendUint64(b, d.PolicyVersion)
	b = append(b, d.Key[:]...)
	for _, s := range [...]string{d.Partner, d.Application, d.Environment, d.Credential, d.Product, d.Operation, d.Subscription, d.Limit} {
		b = appendString(b, s)
	}
	return b
}

// ParseDecision reads what Append wrote; its strings are views of raw.
func ParseDecision(raw string) (d Decision, ok bool) {
	r := reader{rest: raw}
	if r.uint8() != decisionFormat {
		return Decision{}, false
	}
	d.Code, d.Stage = Code(r.uint8()), Stage(r.uint8())
	d.PolicyVersion = r.uint64()
	copy(d.Key[:], r.take(len(d.Key)))
	for _, s := range [...]*string{&d.Partner, &d.Application, &d.Environment, &d.Credential, &d.Product, &d.Operation, &d.Subscription, &d.Limit} {
		*s = r.string()
	}
	if !r.done() || d.Code >= numCodes || d.Stage > StageMetered {
		return Decision{}, false
	}
	return d, true
}

// Decide runs all steps that need no counting: Resolve, then Gate.
func (s *Snapshot) Decide(q *Request) Decision {
	d := s.Resolve(q)
	if d.Code == Undecided {
		s.Gate(q, &d)
	}
	return d
}
