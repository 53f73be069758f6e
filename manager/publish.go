package manager

import "time"

// Published is one compiled snapshot, as proxies fetch it. It is never changed.
type Published struct {
	Manifest []byte
	Parts    map[[32]byte][]byte // also the parts of the last few versions, for a proxy amid fetching
	Version  int64
	At       time.Time
}

// Published is the current snapshot.
func (s *Service) Published() *Published { return nil }

// Changed is closed at the next publication.
func (s *Service) Changed() <-chan struct{} { return nil }
