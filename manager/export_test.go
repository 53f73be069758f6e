package manager

// PasswordWork is how many passwords a service has hashed or checked.
func (s *Service) PasswordWork() int64 { return s.passwords.work.Load() }
