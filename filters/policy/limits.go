package policy

// Bucket is one limit as it applies to one request: which counter, and how
// much it holds by contract.
type Bucket struct {
	Limit
	Key uint64 // hash of its id; what ledgers know it by
}

// Limits appends the buckets that a gated decision takes from, in the order of
// the contract, and returns false where its subscription is no longer in the
// snapshot. Give a slice of capacity MaxLimits, and nothing is allocated.
func (s *Snapshot) Limits(d *Decision, now int64, buckets []Bucket) ([]Bucket, bool) {
	g, code := s.granted(d.Partner, d.Environment, d.Product, d.Operation, d.Application, now)
	if code != Admitted {
		return buckets, false
	}
	n, at := g.limits, g.limitsAt
	if n < 0 {
		plan, ok := s.tables[TablePlans].get(g.plan)
		if !ok {
			return buckets, false
		}
		plan.uint32() // weight
		n, at = plan.limits()
	}
	for range n {
		l := at.limit()
		if l.operations.count == 0 || l.operations.contains(d.Operation) {
			buckets = append(buckets, Bucket{l, bucketKey(d, g.subscription, &l)})
		}
	}
	return buckets, true
}

// A bucket's id says whose requests it counts, by which limit, in which way.
// Names are DNS labels, so that the marks between them are unambiguous:
//
//	partner/subscription/limit/kind              scope subscription
//	partner/subscription@application/limit/kind  scope application
//	partner/*environment/limit/kind              scope partner
//	*product/*environment/limit/kind             a product's capacity
//
// The key is the hash of the id, computed without putting it together.
func bucketKey(d *Decision, subscription string, l *Limit) uint64 {
	h := hashSeed.string(d.Partner).byte('/')
	switch l.Scope {
	case ScopePartner:
		h = h.byte('*').string(d.Environment)
	case ScopeApplication:
		h = h.string(subscription).byte('@').string(d.Application)
	default:
		h = h.string(subscription)
	}
	return h.byte('/').string(l.Name).byte('/').string(l.Kind.String()).sum()
}

// AppendBucketID appends the id of a bucket of d.
func AppendBucketID(b []byte, d *Decision, l *Limit) []byte {
	b = append(append(b, d.Partner...), '/')
	switch l.Scope {
	case ScopePartner:
		b = append(append(b, '*'), d.Environment...)
	case ScopeApplication:
		b = append(append(append(b, d.Subscription...), '@'), d.Application...)
	default:
		b = append(b, d.Subscription...)
	}
	b = append(append(append(b, '/'), l.Name...), '/')
	return append(b, l.Kind.String()...)
}

// BucketKey returns the key of a bucket id.
func BucketKey(id string) uint64 { return hashSeed.string(id).sum() }

// BucketID is a bucket's id, taken apart.
type BucketID struct {
	Partner      string // empty for a capacity
	Product      string // of a capacity only
	Subscription string // empty for scope partner and for a capacity
	Application  string // scope application only
	Environment  string // scope partner and capacity only
	Limit        string
	Kind         LimitKind
}

// ParseBucketID takes an id apart; the parts are views of it.
func ParseBucketID(id string) (b BucketID, ok bool) {
	var parts [4]string
	n := 0
	for i, start := 0, 0; i <= len(id); i++ {
		if i < len(id) && id[i] != '/' {
			continue
		}
		if n == len(parts) {
			return BucketID{}, false
		}
		parts[n], start = id[start:i], i+1
		n++
	}
	b.Partner, b.Subscription, b.Limit = parts[0], parts[1], parts[2]
	b.Kind, ok = ParseLimitKind(parts[3])
	if !ok || b.Partner == "" || b.Subscription == "" || b.Limit == "" {
		return BucketID{}, false
	}
	if b.Subscription[0] == '*' {
		b.Environment, b.Subscription = b.Subscription[1:], ""
	}
	if b.Partner[0] == '*' {
		b.Product, b.Partner = b.Partner[1:], ""
		return b, b.Product != "" && b.Environment != "" && b.Kind.Rate()
	}
	if b.Subscription == "" {
		return b, b.Environment != ""
	}
	for i := 0; i < len(b.Subscription); i++ {
		if b.Subscription[i] == '@' {
			b.Subscription, b.Application = b.Subscription[:i], b.Subscription[i+1:]
			return b, b.Subscription != "" && b.Application != ""
		}
	}
	return b, true
}
