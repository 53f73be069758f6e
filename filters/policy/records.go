package policy

// The fields of each table's records, after the identity. Each read function
// here has its twin in build.go, and check functions read a record to its end.

// LimitKind is what a limit counts, and over which time.
type LimitKind uint8

// The kinds of limits.
const (
	RatePerSecond LimitKind = iota + 1
	RatePerMinute
	RatePerHour
	QuotaPerDay
	QuotaPerMonth
	InFlight
	lastLimitKind = InFlight
)

// Bounds of limits, both inclusive. They keep the arithmetic within 64 bits.
const (
	MaxRate        = 1_000_000_000 // requests and burst of a rate
	MaxQuota       = 1<<53 - 1
	MaxConcurrency = 1_000_000
	MaxLimits      = 16 // in one plan or subscription
)

var kindWords = [lastLimitKind + 1]string{"", "rate-second", "rate-minute", "rate-hour", "quota-day", "quota-month", "concurrency"}

// String is the word that stands for the kind in a bucket's id.
func (k LimitKind) String() string {
	if k > lastLimitKind {
		return ""
	}
	return kindWords[k]
}

// ParseLimitKind is the inverse of String.
func ParseLimitKind(word string) (LimitKind, bool) {
	for k := RatePerSecond; k <= lastLimitKind; k++ {
		if kindWords[k] == word {
			return k, true
		}
	}
	return 0, false
}

// Rate reports whether it is a rate.
func (k LimitKind) Rate() bool { return k >= RatePerSecond && k <= RatePerHour }

// Quota reports whether it is a quota.
func (k LimitKind) Quota() bool { return k == QuotaPerDay || k == QuotaPerMonth }

// Scope is whose requests one counter of a limit counts.
type Scope uint8

// The scopes.
const (
	ScopeSubscription Scope = iota
	ScopePartner
	ScopeApplication
	lastScope = ScopeApplication
)

// Limit is one limit of a contract.
type Limit struct {
	Name     string
	Kind     LimitKind
	Scope    Scope
	Requests uint64
	Burst    uint64 // rates only

	operations stringList
}

// stringList is a list of strings read in place.
type stringList struct {
	count int
	r     reader
}

func (l stringList) contains(s string) bool {
	for r := l.r; l.count > 0; l.count-- {
		if r.string() == s {
			return true
		}
	}
	return false
}

func (r *reader) stringList() (l stringList) {
	l.count = int(r.uint16())
	l.r = *r
	for range l.count {
		if r.string(); r.bad {
			break
		}
	}
	return l
}

func (r *reader) limit() (l Limit) {
	l.Name = r.string()
	l.Kind = LimitKind(r.uint8())
	l.Scope = Scope(r.uint8())
	l.Requests = r.uint64()
	l.Burst = r.uint64()
	l.operations = r.stringList()
	return l
}

func (l *Limit) valid() bool {
	if l.Name == "" || l.Scope > lastScope || l.Requests < 1 {
		return false
	}
	switch {
	case l.Kind.Rate():
		return l.Requests <= MaxRate && l.Burst >= 1 && l.Burst <= MaxRate
	case l.Kind.Quota():
		return l.Requests <= MaxQuota
	}
	return l.Kind == InFlight && l.Requests <= MaxConcurrency
}

// credential is one way to be known.
type credential struct {
	id, partner, application, environment string
	expiresAt, revokedAt                  int64 // Unix milliseconds; 0 for never
}

func (r *reader) credential() (c credential) {
	c.id, c.partner, c.application, c.environment = r.string(), r.string(), r.string(), r.string()
	c.expiresAt, c.revokedAt = r.int64(), r.int64()
	return c
}

// grant is one subscription.
type grant struct {
	subscription     string
	suspended        bool
	startsAt, endsAt int64 // Unix milliseconds; 0 for open
	plan             string
	operations       stringList // none: all
	applications     stringList // none: all
	limits           int        // of its own, in place of the plan's; -1 for the plan's
	limitsAt         reader
}

const (
	grantSuspended  = 1
	grantOwnLimits  = 2
	partnerSuspend  = 1
	nodeLiteral     = 1 // it has literal children
	nodeParameter   = 2 // it has a parameter child
	segmentLiteral  = 'l'
	segmentWildcard = 'p'
)

func (r *reader) grant() (g grant) {
	g.subscription = r.string()
	flags := r.uint8()
	g.suspended = flags&grantSuspended != 0
	g.startsAt, g.endsAt = r.int64(), r.int64()
	g.plan = r.string()
	g.operations = r.stringList()
	g.applications = r.stringList()
	g.limits = -1
	if flags&grantOwnLimits != 0 {
		g.limits, g.limitsAt = r.limits()
	}
	return g
}

// limits reads a list of limits and returns where its items begin.
func (r *reader) limits() (n int, at reader) {
	n = int(r.uint8())
	at = *r
	for range n {
		r.limit()
	}
	return n, at
}

// inForce reports whether the grant's dates include now.
func (g *grant) inForce(now int64) bool {
	return (g.startsAt == 0 || now >= g.startsAt) && (g.endsAt == 0 || now < g.endsAt)
}

// checkFields checks all fields of a record of each table.
var checkFields = [NumTables]func(identity string, r *reader) bool{
	TableHosts: func(identity string, r *reader) bool {
		return identity != "" && r.string() != "" && r.done()
	},
	TableNodes: func(identity string, r *reader) bool {
		if len(identity) < 9 || identity[8] != segmentLiteral && identity[8] != segmentWildcard {
			return false
		}
		r.uint8()
		for range r.uint8() {
			r.string()
			for range r.uint16() {
				r.string()
				if r.string(); r.bad {
					return false
				}
			}
		}
		return r.done()
	},
	TableCredentials: func(identity string, r *reader) bool {
		kindKnown := len(identity) == 33 && identity[0] >= byte(APIKey) && identity[0] <= byte(lastCredentialKind)
		c := r.credential()
		return kindKnown && c.partner != "" && c.environment != "" && r.done()
	},
	TablePartners: func(_ string, r *reader) bool {
		r.uint8()
		for range r.uint16() {
			r.string()
			if r.string(); r.bad {
				return false
			}
		}
		return r.done()
	},
	TableGrants: func(_ string, r *reader) bool {
		for range r.uint8() {
			g := r.grant()
			if r.bad || g.limits > MaxLimits || !limitsValid(g.limits, g.limitsAt) {
				return false
			}
		}
		return r.done()
	},
	TablePlans: func(_ string, r *reader) bool {
		r.uint32()
		n, at := r.limits()
		return r.done() && n <= MaxLimits && limitsValid(n, at)
	},
	TableProducts: checkProduct,
}

func limitsValid(n int, at reader) bool {
	for range n {
		if l := at.limit(); at.bad || !l.valid() {
			return false
		}
	}
	return true
}

func checkProduct(_ string, r *reader) bool {
	if hasCapacity := r.uint8(); hasCapacity == 1 {
		if l := r.limit(); r.bad || !l.valid() || !l.Kind.Rate() {
			return false
		}
	} else if hasCapacity > 1 {
		return false
	}
	for range r.uint16() {
		r.string()
		r.string()
		if r.string(); r.bad {
			return false
		}
	}
	for range r.uint8() {
		r.string()
		if r.stringList(); r.bad {
			return false
		}
	}
	return r.done()
}
