package stream

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
)

// store is bridge.Store over one subject, with the token of the commit in
// the header bridge.CommitHeader. What an unknown outcome means, and
// what to do about it, is decided in bridge/commit.go.
type store struct{ subject casSubject }

func (s *store) Put(ctx context.Context, data []byte, token string, expect uint64) (uint64, error) {
	return s.subject.put(ctx, data, nats.Header{bridge.CommitHeader: {token}}, expect)
}

func (s *store) Get(ctx context.Context) (bridge.Record, error) {
	msg, err := s.subject.get(ctx)
	if err != nil || msg == nil {
		return bridge.Record{}, err
	}
	return bridge.Record{Data: msg.Data, Token: msg.Header.Get(bridge.CommitHeader), Sequence: msg.Sequence, Time: msg.Time}, nil
}
