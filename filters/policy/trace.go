package policy

// Caller is who calls, where that is known without a credential.
type Caller struct{ Partner, Application, Environment string }

// DecideAs is Decide for a caller who has shown a valid credential of the
// application and environment; q's keys are not looked at. For an operator's
// questions, not for requests.
func (s *Snapshot) DecideAs(c Caller, q *Request) Decision {
	d := s.resolvePath(q)
	if d.Code != Undecided {
		return d
	}
	d.Partner, d.Application, d.Environment = c.Partner, c.Application, c.Environment
	if !s.partnerActive(c.Partner) {
		d.refuse(PartnerSuspended)
		return d
	}
	s.resolveEnvironment(q, &d)
	if d.Code == Undecided {
		s.Gate(q, &d)
	}
	return d
}

// Trace is what the steps of a decision see of a request, whoever sends it. It
// allocates: it explains to people.
type Trace struct {
	Path        string // canonical
	Canonical   bool   // else nothing below is known
	Host        string // as it is looked up
	Environment string // of the host; empty where nobody serves it
	Template    string // the template that is chosen; empty where there is none
	Methods     []string
	Holders     []Holder // of the method; none where the template lacks it
}

// Holder is a product that has the operation.
type Holder struct{ Product, Operation string }

// Trace follows path, host, template and method of q.
func (s *Snapshot) Trace(q *Request) (t Trace) {
	t.Canonical = q.Prepare()
	t.Path, t.Host = string(q.path), string(q.host)
	if !t.Canonical {
		return t
	}
	t.Environment, _ = s.hostEnvironment(q.host)
	n, ok := s.match(hashSeed.bytes(q.host).sum(), q.path, 1)
	if !ok {
		return t
	}
	r := n.r
	for range r.uint8() {
		method, count := r.string(), int(r.uint16())
		t.Methods = append(t.Methods, method)
		for range count {
			h := Holder{Product: r.string(), Operation: r.string()}
			if t.Template == "" {
				t.Template = s.template(h)
			}
			if method == q.Method {
				t.Holders = append(t.Holders, h)
			}
		}
	}
	return t
}

// template is the path template of an operation.
func (s *Snapshot) template(h Holder) string {
	p, ok := s.product(h.Product)
	if !ok {
		return ""
	}
	for range p.operations.count {
		id, _, path := p.operations.r.string(), p.operations.r.string(), p.operations.r.string()
		if id == h.Operation {
			return path
		}
	}
	return ""
}

// Instance is a path that a template matches: its parameters get a value that
// no literal beside them is likely to have.
func Instance(template string) string {
	path := make([]byte, 0, len(template)+32)
	for _, c := range instance(template) {
		if c == 0 {
			path = append(path, "partnergate-probe"...)
		} else {
			path = append(path, c)
		}
	}
	return string(path)
}
