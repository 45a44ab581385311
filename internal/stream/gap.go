package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// The reasons of a gap.
const (
	gapRecreated = "recreated" // the stream was deleted and created again: what it had is gone
	gapTruncated = "truncated" // its limits or a purge removed events before we read them
	gapRewound   = "rewound"   // it lost its newest events, and gives their sequences to others
)

// compare finds what of a stream can no longer be read after the position.
// It returns the gap (nil: none), from where to go on, and whether the
// stream ends before the position, which in a replicated one may be only for
// a moment.
//
// The sequences of a gap may have held events that no rule asks for: of what
// is gone nobody can tell.
func compare(stream string, at bridge.Checkpoint, info *jetstream.StreamInfo) (gap *bridge.Gap, next bridge.Checkpoint, rewound bool) {
	state := info.State
	first := max(state.FirstSeq, 1)
	next = at
	next.Created = info.Created
	behind := func(sequence uint64) bridge.Checkpoint {
		return bridge.Checkpoint{Created: info.Created, Sequence: sequence, Stored: at.Stored}
	}
	switch {
	case !at.Created.IsZero() && !at.Created.Equal(info.Created) && info.Config.Mirror == nil: // one that is made anew has the sequences of what it mirrors again
		return &bridge.Gap{Stream: stream, From: at.Sequence + 1, Why: gapRecreated}, behind(first - 1), false
	case state.LastSeq < at.Sequence:
		// Goes on after what is left. What was stored since, under sequences
		// that we have folded once, is new to us; its times tell, where we have one.
		return &bridge.Gap{Stream: stream, From: state.LastSeq + 1, To: at.Sequence, Why: gapRewound}, behind(state.LastSeq), true
	case first > at.Sequence+1:
		next.Sequence = first - 1
		return &bridge.Gap{Stream: stream, From: at.Sequence + 1, To: next.Sequence, Why: gapTruncated}, next, false
	}
	return nil, next, false
}

// has tells whether a stream still has the last event of a position where it was;
// known is false where nobody can say.
func (s *source) has(ctx context.Context, stream string, at bridge.Checkpoint, info *jetstream.StreamInfo) (same, known bool, err error) {
	if at.Event == 0 || at.Event < info.State.FirstSeq || at.Event > info.State.LastSeq {
		return false, false, nil
	}
	m, err := s.js.readStored(ctx, stream, storedRequest{Sequence: at.Event})
	switch {
	case apiCode(err) == codeNoMessage, errors.As(err, new(deniedError)): // removed since, or it may not be asked
		return false, false, nil
	case err != nil:
		return false, false, fmt.Errorf("cannot look whether %s still has its event %d: %w", stream, at.Event, err)
	}
	return m.Time.Equal(at.Stored), true, nil
}

// startAt is before what is to be read first. What was stored until then is not
// read after a restore either.
func (s *source) startAt(ctx context.Context, stream string, start mapping.Start, info *jetstream.StreamInfo) (bridge.Checkpoint, error) {
	at := bridge.Checkpoint{Created: info.Created}
	var err error
	switch start.Mode {
	case mapping.StartAll:
		at.Sequence = max(info.State.FirstSeq, 1) - 1
	case mapping.StartAtTime:
		at.Stored = start.Time.Add(-time.Nanosecond)
		at.Sequence, err = s.sequenceBefore(ctx, stream, start.Time)
	default:
		at.Sequence, at.Stored = info.State.LastSeq, info.State.LastTime
	}
	return at, err
}

// sequenceBefore is the last sequence that was stored before a time. The server
// looks, by a consumer that is thrown away. It has no filters, with which
// nats-server 2.15 may skip events of one filter when the first event of another
// one comes later.
func (s *source) sequenceBefore(ctx context.Context, stream string, at time.Time) (uint64, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	cfg := consumerConfig(s.consumerName(), nil)
	cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &at
	made, err := s.js.createConsumer(ctx, stream, cfg)
	if err != nil {
		return 0, fmt.Errorf("cannot find the first event of %s at or after %s: %w", stream, at, err)
	}
	Forget(s.js.nc, stream, cfg.Name)
	return made.Delivered.Stream, nil
}
