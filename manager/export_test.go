package manager

// PasswordWork is how many passwords a service has hashed or checked.
func (s *Service) PasswordWork() int64 { return s.passwords.work.Load() }

// ReadOperations fills in a product's operations, as storing it does.
func ReadOperations(product *Product) error {
	var p problems
	readOperations(product, nil, &p)
	return p.err("the product is not valid")
}
