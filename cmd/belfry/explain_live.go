package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/stream"
	"github.com/belfry-bridge/belfry/mapping"
)

// clientOf gives the ports of one that only looks.
func clientOf(nc *nats.Conn, stateStream string) (*stream.JetStream, error) {
	return stream.New(nc, stream.Config{StateStream: stateStream, Replica: "client-" + randomName(8), Logger: slog.New(slog.DiscardHandler)})
}

// committed reads the state that an app has committed last, about a second ago.
func committed(ctx context.Context, js *stream.JetStream, app string) (bridge.Record, error) {
	record, err := js.Store(app).Get(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return record, fmt.Errorf("cannot read the state of %s within %s: %w", app, askTimeout, err)
	case err != nil:
		return record, fmt.Errorf("cannot read the state of %s: %w", app, err)
	}
	return record, nil
}

// liveState is the ledger, the digests, what is muted or paused. Nil: the app
// has never run.
func liveState(ctx context.Context, js *stream.JetStream, app string) (*bridge.State, error) {
	record, err := committed(ctx, js, app)
	if err != nil || record.Sequence == 0 {
		return nil, err
	}
	return bridge.Decode(app, record.Data)
}

// storedMessage reads one event from a stream.
func storedMessage(ctx context.Context, nc *nats.Conn, name string, sequence uint64) (mapping.Message, error) {
	js, err := nc.JetStream(nats.Context(ctx))
	if err != nil {
		return mapping.Message{}, fmt.Errorf("cannot use JetStream: %w", err)
	}
	m, err := js.GetMsg(name, sequence)
	switch {
	case errors.Is(err, nats.ErrMsgNotFound):
		return mapping.Message{}, fmt.Errorf("cannot find the event %d in the stream %s: it is gone, or was never there", sequence, name)
	case errors.Is(err, nats.ErrStreamNotFound):
		return mapping.Message{}, fmt.Errorf("cannot find the stream %q", name)
	case err != nil:
		return mapping.Message{}, fmt.Errorf("cannot read the event %d of the stream %s: %w", sequence, name, denied(nc, err))
	}
	return mapping.Message{Subject: m.Subject, Stream: name, Sequence: m.Sequence, Time: m.Time, Header: m.Header, Data: m.Data}, nil
}
