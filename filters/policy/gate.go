package policy

// Gate finds the operation that a request means and whether this partner holds
// it: the template first, among all operations of the host, whoever holds
// them; then the method; then the grant. It reads the canonical path and host
// that Resolve left in q; call it only on a decision that Resolve made from q,
// or after Prepare. Where an older policy resolved it, the key is looked up again.
func (s *Snapshot) Gate(q *Request, d *Decision) {
	d.Stage = StageGated
	if s == nil {
		d.refuse(PolicyUnavailable)
		return
	}
	if d.PolicyVersion < s.Version() {
		d.PolicyVersion = s.Version()
		if s.identify(d, q.Now); d.Code != Undecided {
			return
		}
	}
	d.refuse(OperationNotFound)
	if environment, ok := s.hostEnvironment(q.host); !ok || environment != d.Environment {
		return
	}
	n, ok := s.match(hashSeed.bytes(q.host).sum(), q.path, 1)
	if !ok {
		return
	}
	holders, ok := n.method(q.Method)
	if ok {
		s.gateHolders(holders, d, q.Now)
	}
}

// Prepare brings path and host of q into the form that Gate reads, for a
// filter that did not resolve the request itself.
func (q *Request) Prepare() (ok bool) {
	q.path, ok = CanonicalPath(q.Path, q.path)
	q.host = CanonicalHost(q.Host, q.host)
	return ok
}

// gateHolders looks for a grant among the products that have the operation.
// The compiler sees to it that a partner holds at most one of them.
func (s *Snapshot) gateHolders(h holders, d *Decision, now int64) {
	for range h.count {
		product, operation := h.next()
		if s.gateGrant(product, operation, d, now) {
			return
		}
	}
}

// gateGrant decides by what the partner holds of one operation, and returns
// false where that is nothing.
func (s *Snapshot) gateGrant(product, operation string, d *Decision, now int64) bool {
	g, code := s.granted(d.Partner, d.Environment, product, operation, d.Application, now)
	if code == OperationNotFound {
		return false
	}
	d.Product, d.Operation, d.Subscription = product, operation, g.subscription
	d.refuse(code)
	if code == Admitted {
		d.Code = Undecided // limits are still to come
	}
	return true
}

// Confirm decides again what an older policy let through up to its limits, as
// where the policy changed while the request waited for a lease: whether key,
// partner, product and grant are still what they were. The request stands for
// the operation that it was found to mean.
func (s *Snapshot) Confirm(d *Decision, now int64) {
	if d.PolicyVersion >= s.Version() {
		return
	}
	was := *d
	*d = Decision{Stage: was.Stage, PolicyVersion: s.Version(), Key: was.Key}
	if s.identify(d, now); d.Code != Undecided {
		return
	}
	switch {
	case d.Environment != was.Environment:
		d.refuse(EnvironmentMismatch)
	case !s.offers(was.Product, was.Operation, d.Environment) || !s.gateGrant(was.Product, was.Operation, d, now):
		d.refuse(OperationNotFound)
	}
}

// granted tells whether a partner may call an operation now: Admitted,
// SubscriptionSuspended, or OperationNotFound. An empty application stands for
// any. Portal and filters both ask here.
func (s *Snapshot) granted(partner, environment, product, operation, application string, now int64) (grant, Code) {
	r, ok := s.grants(partner, environment, product)
	if !ok {
		return grant{}, OperationNotFound
	}
	for range r.uint8() {
		g := r.grant()
		if !g.inForce(now) ||
			g.operations.count > 0 && !g.operations.contains(operation) ||
			g.applications.count > 0 && application != "" && !g.applications.contains(application) {
			continue
		}
		if g.suspended {
			return g, SubscriptionSuspended
		}
		return g, Admitted
	}
	return grant{}, OperationNotFound
}

// grants returns the grants of a partner for a product in an environment.
func (s *Snapshot) grants(partner, environment, product string) (reader, bool) {
	key := hashSeed.string(partner).byte('/').string(environment).byte('/').string(product).sum()
	c := s.tables[TableGrants].candidates(key)
	for {
		identity, fields, ok := c.next()
		if !ok || isGrant(identity, partner, environment, product) {
			return fields, ok
		}
	}
}

// isGrant compares an identity with partner/environment/product.
func isGrant(identity, partner, environment, product string) bool {
	p, e := len(partner), len(environment)
	return len(identity) == p+1+e+1+len(product) &&
		identity[:p] == partner && identity[p] == '/' &&
		identity[p+1:p+1+e] == environment && identity[p+1+e] == '/' &&
		identity[p+e+2:] == product
}

// node is one segment of the templates of a host, and the operations that end there.
type node struct {
	key   uint64
	flags uint8
	r     reader
}

// maxSegments bounds the recursion of match; longer paths match nothing.
const maxSegments = 64

// match walks the templates of a host from the node with key parent: a literal
// before a parameter, from the left, with backtracking. Each node is visited at
// most once, so the cost does not depend on how many products there are.
func (s *Snapshot) match(parent uint64, path []byte, depth int) (node, bool) {
	end := segmentEnd(path, 1)
	segment, rest := path[1:end], path[end:]
	if n, ok := s.child(parent, segmentLiteral, segment); ok {
		if found, ok := s.matchRest(n, rest, depth); ok {
			return found, true
		}
	}
	if len(segment) > 0 {
		if n, ok := s.child(parent, segmentWildcard, nil); ok {
			return s.matchRest(n, rest, depth)
		}
	}
	return node{}, false
}

func (s *Snapshot) matchRest(n node, rest []byte, depth int) (node, bool) {
	if len(rest) == 0 {
		return n, n.terminal()
	}
	if n.flags&(nodeLiteral|nodeParameter) == 0 || depth >= maxSegments {
		return node{}, false
	}
	return s.match(n.key, rest, depth+1)
}

// child looks a node up by its parent's key and its segment. A node's key is
// the hash of both, and the compiler refuses two nodes with one key, so that
// equal keys and segments mean the same template.
func (s *Snapshot) child(parent uint64, kind byte, segment []byte) (node, bool) {
	key := nodeKey(parent, kind, segment)
	c := s.tables[TableNodes].candidates(key)
	for {
		identity, fields, ok := c.next()
		if !ok {
			return node{}, false
		}
		if isNode(identity, parent, kind, segment) {
			return node{key: key, flags: fields.uint8(), r: fields}, true
		}
	}
}

func nodeKey(parent uint64, kind byte, segment []byte) uint64 {
	return hashSeed.uint64(parent).byte(kind).bytes(segment).sum()
}

func isNode(identity string, parent uint64, kind byte, segment []byte) bool {
	r := reader{rest: identity}
	return r.uint64() == parent && r.uint8() == kind && r.rest == string(segment)
}

func (n node) terminal() bool { return n.r.uint8() > 0 }

// holders are the products that have one operation.
type holders struct {
	count int
	r     reader
}

func (h *holders) next() (product, operation string) { return h.r.string(), h.r.string() }

// method returns the products that have the node's template with a method.
func (n node) method(method string) (holders, bool) {
	r := n.r
	for range r.uint8() {
		name := r.string()
		h := holders{count: int(r.uint16())}
		h.r = r
		if name == method {
			return h, true
		}
		for range h.count {
			r.string()
			r.string()
		}
	}
	return holders{}, false
}
