package manager_test

import (
	"errors"
	"testing"
	"time"

	"github.com/partnergate/partnergate/manager"
)

func TestParseDuration(t *testing.T) {
	for given, want := range map[string]time.Duration{"30d": 30 * 24 * time.Hour, "-7d": -7 * 24 * time.Hour, "1h30m": 90 * time.Minute, "0": 0} {
		if d, err := manager.ParseDuration(given); err != nil || d != want {
			t.Errorf("%s is %v, %v", given, d, err)
		}
	}
	for given, long := range map[string]bool{
		"9999999h": true, "99999999999999999999h": true, "36500d": true, "99999999999d": true, "-9999999h5m": true,
		"": false, "d": false, "1x": false, "h": false, "1.5d": false, "a year": false,
	} {
		if d, err := manager.ParseDuration(given); err == nil || errors.Is(err, manager.ErrLongDuration) != long {
			t.Errorf("%q is %v, %v", given, d, err)
		}
	}
}
