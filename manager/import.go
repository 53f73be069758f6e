package manager

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/partnergate/partnergate/filters/policy"
)

// maxImport is the most keys of one import.
const maxImport = 100_000

// ImportedKey is a key that was made elsewhere, by its SHA-256.
type ImportedKey struct {
	// ID is a DNS label of 8 to 63 characters; empty: one is drawn. 12 characters
	// of policy.KeyIDAlphabet say that the key is one of ours, of another manager.
	ID          string
	Partner     string
	Application string
	Environment string
	Digest      [32]byte
	ExpiresAt   *time.Time // nil: never
}

// ImportEntry is what happened to one key.
type ImportEntry struct {
	ID          string `json:"id"`
	Partner     string `json:"partner"`
	Application string `json:"application"`
	Environment string `json:"environment"`
	Action      Action `json:"action"` // created, or unchanged for one that is there already
}

// ImportResult is what an import did, or with a dry run would do.
type ImportResult struct {
	PolicyVersion int64         `json:"policy_version"`
	Results       []ImportEntry `json:"results"` // in the order of the keys
}

// Imported tells whether the key may have any form. Such keys were made
// elsewhere, and have ids of another form than ours.
func (r *Credential) Imported() bool { return !isKeyID(r.Metadata.Name) }

func isKeyID(id string) bool {
	return len(id) == policy.KeyIDLength && strings.Trim(id, policy.KeyIDAlphabet) == ""
}

// ImportCredentials takes over keys that were made elsewhere, all or nothing.
// A key that is there already, of the same application and environment, stays
// as it is, so that an import can be repeated.
func (s *Service) ImportCredentials(ctx context.Context, actor Actor, keys []ImportedKey, dryRun bool) (*ImportResult, error) {
	if actor.Owner == OwnerPortal {
		return nil, &Error{Code: CodeForbidden, Message: "keys are imported by operators, not through the portal"}
	}
	if len(keys) == 0 || len(keys) > maxImport {
		return nil, invalid("credentials", fmt.Sprintf("has %d keys; give 1 to %d", len(keys), maxImport))
	}
	drawn := make([]string, len(keys)) // once, so that a second try answers the same
	for i := range keys {
		if drawn[i] = keys[i].ID; drawn[i] == "" {
			drawn[i] = "imported-" + randomText(policy.KeyIDLength, policy.KeyIDAlphabet)
		}
	}
	result := &ImportResult{}
	decide := func(before *state) (changes []Change, err error) {
		i := newImporter(before, actor.Owner, *s.timestamp())
		for n, key := range keys {
			i.take(n, drawn[n], key)
		}
		result.Results = i.entries
		return i.changes, i.problems.err("the keys cannot be imported")
	}
	act := s.change
	if dryRun {
		act = s.tryChange
	}
	after, err := act(ctx, actor, decide)
	if err != nil {
		return nil, err
	}
	result.PolicyVersion = after.revision
	return result, nil
}

// importer decides on one import.
type importer struct {
	before   *state
	owner    Owner
	now      time.Time
	byDigest map[[32]byte]*Credential // of all partners
	line     map[[32]byte]int         // index of a digest among the keys
	ids      map[string]int
	live     map[Ref]int // keys of an application
	problems problems
	changes  []Change
	entries  []ImportEntry
}

func newImporter(before *state, owner Owner, now time.Time) *importer {
	i := &importer{before: before, owner: owner, now: now,
		byDigest: map[[32]byte]*Credential{}, line: map[[32]byte]int{}, ids: map[string]int{}, live: map[Ref]int{}}
	for _, shard := range before.credentials {
		for _, c := range shard {
			i.byDigest[c.Digest] = c
			if c.live(now) {
				i.live[Ref{KindApplication, c.Metadata.Partner, c.Application}]++
			}
		}
	}
	return i
}

func (i *importer) take(n int, id string, key ImportedKey) {
	at := index("credentials", n)
	c := &Credential{Application: key.Application, Environment: key.Environment, Digest: key.Digest, ExpiresAt: milliseconds(key.ExpiresAt)}
	c.Metadata = Metadata{Name: id, Partner: key.Partner, ManagedBy: i.owner}
	if there := i.byDigest[key.Digest]; there != nil && sameHolder(there, c) && (key.ID == "" || key.ID == there.Metadata.Name) {
		i.note(there, ActionUnchanged)
		return
	}
	if before := len(i.problems.fields); !i.check(n, at, c) || len(i.problems.fields) > before {
		return
	}
	i.changes = append(i.changes, Change{Ref: c.Ref(), After: c})
	i.note(c, ActionCreated)
}

func sameHolder(a, b *Credential) bool {
	return a.Metadata.Partner == b.Metadata.Partner && a.Application == b.Application && a.Environment == b.Environment
}

func (i *importer) note(c *Credential, action Action) {
	i.entries = append(i.entries, ImportEntry{c.Metadata.Name, c.Metadata.Partner, c.Application, c.Environment, action})
}

// check adds to the problems what is wrong with c; false where the rest does not matter.
func (i *importer) check(n int, at string, c *Credential) bool {
	p := &i.problems
	i.checkIdentity(n, at, c)
	owner, exists := i.before.partner(c.Metadata.Partner)
	if !exists {
		p.addf(0, field(at, "partner"), "there is no partner %q; apply it first", shortened(c.Metadata.Partner))
		return false
	}
	if owner.applications[c.Application] == nil {
		p.addf(0, field(at, "application"), "%s has no application %q; apply it first", c.Metadata.Partner, shortened(c.Application))
		return false
	}
	if i.before.environments[c.Environment] == nil {
		p.addf(0, field(at, "environment"), "there is no environment %q; the environments are %s", shortened(c.Environment), strings.Join(names(i.before.environments), ", "))
	}
	if c.ExpiresAt != nil && (!c.ExpiresAt.After(i.now) || c.ExpiresAt.After(i.now.Add(maxKeyLife))) {
		p.addf(0, field(at, "expires_at"), "%s is not within the next ten years; leave keys out that are over", c.ExpiresAt.Format(time.RFC3339))
	}
	ref := Ref{KindApplication, c.Metadata.Partner, c.Application}
	if i.live[ref]++; i.live[ref] == maxApplicationKeys+1 {
		p.addf(0, field(at, "application"), "%s would have more than %d keys; revoke some first", ref, maxApplicationKeys)
	}
	return true
}

// checkIdentity checks that digest and id are good and nobody else's.
func (i *importer) checkIdentity(n int, at string, c *Credential) {
	p, id := &i.problems, c.Metadata.Name
	if first, twice := i.line[c.Digest]; twice {
		p.addf(0, field(at, "sha256"), "is that of credentials[%d] too; a key has one holder", first)
	} else if there := i.byDigest[c.Digest]; there != nil {
		p.addf(0, field(at, "sha256"), "is that of the key %s of %s/%s in %s; a key has one holder, and keeps its id", there.Metadata.Name, there.Metadata.Partner, there.Application, there.Environment)
	}
	i.line[c.Digest] = n
	switch first, twice := i.ids[id]; {
	case !isLabel(id) || len(id) < minKeyID:
		p.addf(0, field(at, "id"), "%q is no id; use %d to %d of a-z, 0-9 and -, with a letter or digit at both ends", shortened(id), minKeyID, policy.MaxName)
	case twice:
		p.addf(0, field(at, "id"), "is that of credentials[%d] too; give each its own", first)
	case i.before.credentials.get(id) != nil:
		p.addf(0, field(at, "id"), "%q is another key's already; give this one its own", id)
	}
	i.ids[id] = n
}

// minKeyID is the shortest id of a key.
const minKeyID = 8
