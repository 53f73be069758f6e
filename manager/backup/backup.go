// Package backup writes all that a store must not lose to a file, and reads it
// back into the same or another kind of store.
//
// The file is lines of JSON. The first says what it is, the last how many lines
// there are and their SHA-256, so that a file that was cut or changed is refused
// before anything is written. Portal sessions and counters of failed logins
// are not in it: people log in again.
//
// A restored store has a lineage of its own, so that proxies follow it even
// though its policy version may be lower than the one that they hold.
package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/partnergate/partnergate/manager"
)

// format is raised with every change of what lines mean.
const format = 1

// The kinds of lines.
const (
	lineHead       = "backup"
	lineResource   = "resource"
	lineAccount    = "account"
	lineMembership = "membership"
	lineInvitation = "invitation"
	lineToken      = "admin_token"
	lineAudit      = "audit"
	lineUsage      = "usage"
	lineRequest    = "request"
	lineUses       = "credential_uses"
	lineProxy      = "proxy"
	lineBucket     = "bucket"
	lineEnd        = "end"
)

// line is one line of the file.
type line struct {
	Line  string          `json:"line"`
	Value json.RawMessage `json:"value"`
}

// Head is the first line.
type Head struct {
	Format        int       `json:"format"`
	MadeAt        time.Time `json:"made_at"`
	Lineage       []byte    `json:"lineage"` // of the store that it was made of
	PolicyVersion int64     `json:"policy_version"`
	ChangedAt     time.Time `json:"changed_at,omitzero"` // when that version was made
	Emptied       bool      `json:"emptied,omitempty"`   // the policy served something once
}

// end is the last line. The digest is that of all bytes before it.
type end struct {
	Lines  int64  `json:"lines"` // before this one
	SHA256 []byte `json:"sha256"`
}

type resourceValue struct {
	Kind     manager.Kind    `json:"kind"`
	Document json.RawMessage `json:"document"`
}

// requestValue keeps what a client chose as bytes: it need not be UTF-8. Its
// fields take the place of those of the same name in the record.
type requestValue struct {
	manager.RequestRecord
	RequestID, Method, Path []byte
}

func (v *requestValue) record() manager.RequestRecord {
	r := v.RequestRecord
	r.RequestID, r.Method, r.Path = string(v.RequestID), string(v.Method), string(v.Path)
	return r
}

type auditValue struct {
	manager.AuditEntry
	RequestID []byte
}

type usesValue struct {
	Partner string               `json:"partner"`
	Uses    map[string]time.Time `json:"uses"` // by public id
}

// Summary says how many lines of each kind there were.
type Summary struct {
	Head  Head
	Lines map[string]int64
}

var errNotBackup = errors.New("the file is no backup of Partnergate; `partnergate dump` makes one")

func damaged(number int64, why error) error {
	return fmt.Errorf("the backup is damaged or was cut, at line %d: %w; nothing was changed, use another backup", number, why)
}
