package policy_test

import (
	"errors"
	"testing"

	"github.com/partnergate/partnergate/filters/policy"
)

func TestBootstrapIsReadByWhoKnowsTheSecret(t *testing.T) {
	snapshot := build(t, estate())
	raw := string(policy.Bootstrap(snapshot, start, []string{"old", "new"}))
	for _, secret := range []string{"old", "new"} {
		read, date, err := policy.ReadBootstrap(raw, secret, start)
		if err != nil || date != start || read.Manifest().Raw() != snapshot.Manifest().Raw() {
			t.Errorf("%s: %v, dated %d", secret, err, date)
		}
	}
	for name, c := range map[string]struct {
		raw, secret string
		now         int64
		want        error
	}{
		"another secret":  {raw, "other", start, policy.ErrSignature},
		"a later date":    {raw[:6] + "\xff" + raw[7:], "new", start, policy.ErrSignature},
		"no signature":    {raw[:5] + "\x00" + raw[6:14] + raw[78:], "", start, policy.ErrSignature},
		"from the future": {raw, "new", start - policy.MaxClockAhead - 1, policy.ErrFuture},
		"something more":  {raw + "x", "new", start, policy.ErrMalformed},
		"something less":  {raw[:len(raw)-1], "new", start, policy.ErrTruncated},
		"another part":    {raw[:len(raw)-1] + string(raw[len(raw)-1]^1), "new", start, policy.ErrDigest},
		"another version": {raw[:4] + "\x09" + raw[5:], "new", start, policy.ErrSchema},
		"something else":  {"<!doctype html>", "new", start, policy.ErrMalformed},
	} {
		if _, _, err := policy.ReadBootstrap(c.raw, c.secret, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for n := range len(raw) {
		if _, _, err := policy.ReadBootstrap(raw[:n], "new", start); err == nil {
			t.Fatalf("the first %d of %d bytes were taken", n, len(raw))
		}
	}
}
