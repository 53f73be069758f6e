package policy

// Operation is one operation of a partner's surface.
type Operation struct {
	Product, Environment, Subscription string
	Operation                          string
	Method                             string
	Path                               string // template, with the product's base path
	Code                               Code   // Admitted, SubscriptionSuspended or PartnerSuspended
}

// Surface lists the operations that a partner holds in an environment at now:
// those that Decide lets through, with Code Admitted, and those that it refuses
// because the subscription or the partner is suspended. An empty application
// stands for any of the partner's. In the order of products, then of their
// documents. Unlike Decide it allocates.
func (s *Snapshot) Surface(partner, environment, application string, now int64) []Operation {
	r, ok := s.tables[TablePartners].get(partner)
	if !ok {
		return nil
	}
	suspended := r.uint8()&partnerSuspend != 0
	var surface []Operation
	for range r.uint16() {
		held, product := r.string(), r.string()
		if held != environment {
			continue
		}
		for _, o := range s.productOperations(product, environment) {
			g, code := s.granted(partner, environment, product, o.Operation, application, now)
			if code == OperationNotFound {
				continue
			}
			if suspended {
				code = PartnerSuspended
			}
			o.Subscription, o.Code = g.subscription, code
			surface = append(surface, o)
		}
	}
	return surface
}

// productOperations lists the operations of a product that some host of the
// environment answers: each template is put through the matcher that requests
// go through.
func (s *Snapshot) productOperations(name, environment string) []Operation {
	p, ok := s.product(name)
	if !ok {
		return nil
	}
	hosts := p.hosts(environment)
	var list []Operation
	for range p.operations.count {
		o := Operation{Product: name, Environment: environment}
		o.Operation, o.Method, o.Path = p.operations.r.string(), p.operations.r.string(), p.operations.r.string()
		if s.answered(hosts, o) {
			list = append(list, o)
		}
	}
	return list
}

func (s *Snapshot) answered(hosts stringList, o Operation) bool {
	path := instance(o.Path)
	for range hosts.count {
		n, ok := s.match(hashSeed.string(hosts.r.string()).sum(), path, 1)
		if !ok {
			continue
		}
		h, _ := n.method(o.Method)
		for range h.count {
			if product, operation := h.next(); product == o.Product && operation == o.Operation {
				return true
			}
		}
	}
	return false
}

// instance fills a template's parameters with a value that no literal has.
func instance(template string) []byte {
	path := make([]byte, 0, len(template))
	for i := 0; i < len(template); i++ {
		path = append(path, template[i])
		if template[i] == '/' && i+1 < len(template) && template[i+1] == '{' {
			path = append(path, 0)
			for i+1 < len(template) && template[i+1] != '/' {
				i++
			}
		}
	}
	return path
}

// offers tells whether a product has an operation, and a host in the environment.
func (s *Snapshot) offers(name, operation, environment string) bool {
	p, ok := s.product(name)
	if !ok || p.hosts(environment).count == 0 {
		return false
	}
	for range p.operations.count {
		id := p.operations.r.string()
		p.operations.r.string() // method
		p.operations.r.string() // path
		if id == operation {
			return true
		}
	}
	return false
}

// product is a product's record.
type product struct {
	hasCapacity  bool
	capacity     Limit
	operations   stringList // three strings each: id, method, path
	environments reader     // count, then name and hosts each
}

func (s *Snapshot) product(name string) (p product, ok bool) {
	r, ok := s.tables[TableProducts].get(name)
	if !ok {
		return product{}, false
	}
	if p.hasCapacity = r.uint8() == 1; p.hasCapacity {
		p.capacity = r.limit()
	}
	p.operations.count = int(r.uint16())
	p.operations.r = r
	for range 3 * p.operations.count {
		r.string()
	}
	p.environments = r
	return p, true
}

func (p *product) hosts(environment string) stringList {
	r := p.environments
	for range r.uint8() {
		name := r.string()
		if hosts := r.stringList(); name == environment {
			return hosts
		}
	}
	return stringList{}
}
