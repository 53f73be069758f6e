package manager

import "context"

// Watch answers a proxy that asks for a newer policy: at once where there is
// one or where the proxy is to sync, else after 25 seconds at most. Body and
// reply are a Watch and a WatchReply of package wire.
func (s *Service) Watch(ctx context.Context, body []byte) (reply []byte, err error) {
	return nil, &Error{Code: CodeUnavailable, Message: "not built yet"}
}

// Parts answers a proxy that fetches parts of a snapshot. Body and reply are a
// Parts and a PartsReply of package wire.
func (s *Service) Parts(ctx context.Context, body []byte) (reply []byte, err error) {
	return nil, &Error{Code: CodeUnavailable, Message: "not built yet"}
}
