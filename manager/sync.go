package manager

import "context"

// Sync stores one batch of a proxy and answers with grants. A batch that was
// stored before is not counted again and gets the same answer. Body and reply
// are a Sync and a SyncReply of package wire.
func (s *Service) Sync(ctx context.Context, body []byte) (reply []byte, err error) {
	return nil, &Error{Code: CodeUnavailable, Message: "not built yet"}
}
