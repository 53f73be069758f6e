package policy

// Resolve finds out who calls, in which environment: path, policy, credential,
// partner, environment, in this order. s is nil where there is no policy yet.
// The decision's code is Undecided where nothing speaks against the request.
func (s *Snapshot) Resolve(q *Request) Decision {
	d := s.resolvePath(q)
	if d.Code == Undecided {
		s.resolveCredential(q, &d)
	}
	if d.Code == Undecided {
		s.resolveEnvironment(q, &d)
	}
	return d
}

func (s *Snapshot) resolvePath(q *Request) Decision {
	d := Decision{Stage: StageResolved}
	if s != nil {
		d.PolicyVersion = s.Version()
	}
	var ok bool
	if q.path, ok = CanonicalPath(q.Path, q.path); !ok {
		d.refuse(PathNotCanonical)
	} else if s == nil {
		d.refuse(PolicyUnavailable)
	}
	return d
}

func (s *Snapshot) resolveCredential(q *Request, d *Decision) {
	if q.Keys != 1 || q.Key == "" {
		d.refuse(CredentialMissing)
		if q.Keys > 1 {
			d.refuse(CredentialAmbiguous)
		}
		return
	}
	if !s.mayBeKey(q.Key) {
		d.refuse(CredentialUnknown)
		return
	}
	d.Key = KeyDigest(q.Key)
	s.identify(d, q.Now)
}

// identify finds out whose the decision's key is, and whether it is good.
func (s *Snapshot) identify(d *Decision, now int64) {
	c, ok := s.credential(APIKey, d.Key)
	d.Partner, d.Application, d.Environment, d.Credential = c.partner, c.application, c.environment, c.id
	switch {
	case !ok:
		d.refuse(CredentialUnknown)
	case c.revokedAt != 0 && now >= c.revokedAt:
		d.refuse(CredentialRevoked)
	case c.expiresAt != 0 && now >= c.expiresAt:
		d.refuse(CredentialExpired)
	case !s.partnerActive(c.partner):
		d.refuse(PartnerSuspended)
	}
}

// mayBeKey tells whether a lookup is spent on a key: on a well-formed one, and
// while the snapshot has imported keys on any other of bounded length. What
// begins as a key of ours and is none stays unknown in any case.
func (s *Snapshot) mayBeKey(key string) bool {
	if _, _, ok := ParseKey(key); ok {
		return true
	}
	return s.manifest.Imported && len(key) >= MinImportedKey && len(key) <= MaxImportedKey &&
		key[:len(KeyPrefix)] != KeyPrefix
}

// resolveEnvironment compares the environment of the host with that of the
// credential. A host that nobody serves has none: it is left to Gate.
func (s *Snapshot) resolveEnvironment(q *Request, d *Decision) {
	q.host = CanonicalHost(q.Host, q.host)
	environment, served := s.hostEnvironment(q.host)
	if served && (environment != d.Environment || q.Only != "" && q.Only != environment) {
		d.refuse(EnvironmentMismatch)
	}
}

func (s *Snapshot) credential(kind CredentialKind, digest [32]byte) (credential, bool) {
	c := s.tables[TableCredentials].candidates(hashSeed.byte(byte(kind)).bytes(digest[:]).sum())
	for {
		identity, fields, ok := c.next()
		if !ok {
			return credential{}, false
		}
		if identity[0] == byte(kind) && identity[1:] == string(digest[:]) {
			return fields.credential(), true
		}
	}
}

// partnerActive is false for a partner that is suspended, or that is missing,
// which a well-made snapshot never has.
func (s *Snapshot) partnerActive(name string) bool {
	r, ok := s.tables[TablePartners].get(name)
	return ok && r.uint8()&partnerSuspend == 0
}

func (s *Snapshot) hostEnvironment(host []byte) (environment string, ok bool) {
	c := s.tables[TableHosts].candidates(hashSeed.bytes(host).sum())
	for {
		identity, fields, ok := c.next()
		if !ok || identity == string(host) {
			return fields.string(), ok
		}
	}
}
