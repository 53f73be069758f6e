package manager

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrLongDuration is a duration written as it should be, and longer than can be counted.
var ErrLongDuration = errors.New("a duration of more than a century")

var writtenDuration = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`)

// ParseDuration reads Go's durations, and whole days such as 30d.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err == nil && n > -36500 && n < 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
		if err == nil || errors.Is(err, strconv.ErrRange) {
			return 0, ErrLongDuration
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil && writtenDuration.MatchString(s) {
		return 0, ErrLongDuration
	}
	return d, err
}
