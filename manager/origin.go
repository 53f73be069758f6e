package manager

import "context"

// Origin is where a request comes from, for the audit log and for throttling.
type Origin struct {
	Address   string // the peer's IP address, without port
	RequestID string
}

type originKey struct{}

// WithOrigin tells what is called with the context where the request comes from.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf is the context's origin; the zero Origin where none was told.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
