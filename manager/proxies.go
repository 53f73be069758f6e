package manager

import (
	"context"
	"time"
)

// ProxyView is what is known of one proxy process.
type ProxyView struct {
	ID            string // node id, ".", nonce in hexadecimal
	Node          string
	PolicyVersion int64         // the lowest that any of its VMs decides by
	PolicyAge     time.Duration // since it last confirmed that version as current
	LastSync      time.Time
	Live          bool // heard from within the last 15 seconds; the shares of others are given on
}

// Proxies lists the proxies heard from within the last day, by id.
func (s *Service) Proxies(ctx context.Context) ([]ProxyView, error) {
	return nil, &Error{Code: CodeUnavailable, Message: "not built yet"}
}

// AwaitAcknowledged waits until all live proxies decide by policyVersion or a
// later one. Where ctx ends before that it returns those that are behind, and
// the error of ctx.
func (s *Service) AwaitAcknowledged(ctx context.Context, policyVersion int64) (behind []ProxyView, err error) {
	return nil, &Error{Code: CodeUnavailable, Message: "not built yet"}
}
