package manager

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"
)

// The rule of throttled logins; docs/operations.md explains it to operators.
const (
	loginWindow = 15 * time.Minute
	// maxFailures is how many wrong passwords a member may have from one
	// address, how many members may fail from one address, and from how many
	// addresses a member may fail before each further one has a single try.
	maxFailures = 10
	// loginKnown is for how long an address at which a member has logged in is
	// known as that member's: what others do from there, or to the member from
	// elsewhere, does not count against it.
	loginKnown = 30 * 24 * time.Hour
)

// attempt is one try to log in.
type attempt struct {
	pair
	s  *Service
	id string
}

func (s *Service) newAttempt(ctx context.Context, email string) *attempt {
	return &attempt{s: s, pair: pair{digestOfMember(email), digestOfAddress(OriginOf(ctx).Address)}, id: rand.Text()}
}

// pair is a member and an address from which it logs in. The keys of its marks
// hold digests, because what they are made of is as long as whoever tries wants
// it to be.
type pair struct{ member, address string }

func (p pair) key() string        { return "login/pair/" + p.member + "/" + p.address }
func (p pair) knownKey() string   { return "login/known/" + p.member + "/" + p.address }
func (p pair) memberKey() string  { return "login/member/" + p.member }
func (p pair) addressKey() string { return "login/address/" + p.address }

// failures are the marks of what has failed.
func (p pair) failures() []Mark {
	return []Mark{{Key: p.key()}, {Key: p.addressKey(), ID: p.member}, {Key: p.memberKey(), ID: p.address}}
}

func digestOfMember(email string) string    { return shortDigest(normalEmail(email)) }
func digestOfAddress(address string) string { return shortDigest(network(address)) }

func shortDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// network is what one subscriber has: an IPv4 address, or a /64 of IPv6.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// begin counts the try as a failure until it succeeds, so that tries at once
// are all counted; CodeTooMany where there is no room for it.
func (a *attempt) begin(ctx context.Context) error {
	now := a.s.now()
	counts, err := a.s.store.Marks(ctx, now, a.knownKey(), a.memberKey())
	if err != nil {
		return a.s.unavailable("Marks", err)
	}
	known, most, members := counts[0] > 0, maxFailures, maxFailures
	if known {
		members = 0
	} else if counts[1] >= maxFailures {
		most = 1
	}
	until := now.Add(loginWindow)
	return a.take(ctx, now,
		Mark{Key: a.key(), ID: a.id, Until: until, Most: most},
		Mark{Key: a.addressKey(), ID: a.member, Until: until, Most: members},
		Mark{Key: a.memberKey(), ID: a.address, Until: until})
}

// beginApart is begin where other members' failures from the address do not
// count, nor this one against theirs.
func (a *attempt) beginApart(ctx context.Context) error {
	now := a.s.now()
	return a.take(ctx, now, Mark{Key: a.key(), ID: a.id, Until: now.Add(loginWindow), Most: maxFailures})
}

// take takes all of the marks; CodeTooMany, and none, where there is no room for one.
func (a *attempt) take(ctx context.Context, now time.Time, marks ...Mark) error {
	free, err := a.s.store.TakeMarks(ctx, now, marks)
	if err != nil {
		return a.s.unavailable("TakeMarks", err)
	}
	if !free.IsZero() {
		a.s.metrics.loginThrottled()
		wait := (free.Sub(now) + time.Second - 1).Truncate(time.Second)
		return &Error{Code: CodeTooMany, RetryAfter: wait,
			Message: fmt.Sprintf("too many logins failed from here; try again in %d minutes", int((wait+time.Minute-1)/time.Minute))}
	}
	return nil
}

// succeed takes back what the member's failures from here counted for, and
// remembers the address as the member's.
func (a *attempt) succeed(ctx context.Context) error {
	if err := a.s.store.DeleteMarks(ctx, a.failures()); err != nil {
		return a.s.unavailable("DeleteMarks", err)
	}
	now := a.s.now()
	if _, err := a.s.store.TakeMarks(ctx, now, []Mark{{Key: a.knownKey(), ID: "known", Until: now.Add(loginKnown)}}); err != nil {
		return a.s.unavailable("TakeMarks", err)
	}
	return nil
}

// undo takes back a try that was not decided on.
func (a *attempt) undo(ctx context.Context) {
	if err := a.s.store.DeleteMarks(context.WithoutCancel(ctx), []Mark{{Key: a.key(), ID: a.id}}); err != nil {
		_ = a.s.unavailable("DeleteMarks", err) // logged and counted; it ends by itself
	}
}
