package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/internal/simulate"
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

// foreseen is a send that the planner would make.
type foreseen struct {
	at     time.Time
	reason string
	body   []byte
	digest *bridge.Digest
}

// lastWords are what the planner has said last of each digest, by its id.
type lastWords map[string]string

func (l lastWords) note(_ time.Time, p bridge.Plan) {
	for _, e := range p.Explanations {
		l[e.Digest] = e.Why
	}
}

// foresight is what becomes of digests if no other event arrives.
type foresight struct {
	sends  map[string]foreseen // by the id of the digest
	last   lastWords
	failed map[string]error // that cannot be rendered
}

// observer notes what a driver does.
func (f *foresight) observer() simulate.Observer {
	f.sends, f.last, f.failed = map[string]foreseen{}, lastWords{}, map[string]error{}
	return simulate.Observer{
		Sent: func(b *bridge.Broadcast, body []byte) {
			f.sends[b.Digest.ID] = foreseen{at: b.Started, reason: b.Reason, body: body, digest: b.Digest}
		},
		Planned: f.last.note,
		Failed:  func(_ time.Time, d *bridge.Digest, err error) { f.failed[d.ID] = err },
	}
}

// begin makes a driver that starts with a state (nil: an empty one) at an
// instant. The state is used up.
func (f *foresight) begin(app *mapping.App, s *bridge.State, now time.Time) *simulate.Driver {
	d := simulate.NewDriver(app, now, f.observer())
	if s != nil {
		s.Sending = nil // charged already, and its outcome is not ours to guess
		if b := s.Backoff; b != nil {
			s.Ledger.Throttle(b.Until) // to the same end: nothing is sent before
		}
		d.State = s
	}
	return d
}

// foresee plans a state on from now until the last of its items has ended.
func foresee(app *mapping.App, s *bridge.State, now time.Time) *foresight {
	f := &foresight{}
	d := f.begin(app, s, now)
	toTheEnd(d)
	return f
}

// toTheEnd turns the clock on until nothing waits any more.
func toTheEnd(d *simulate.Driver) {
	last := d.Now()
	for _, g := range d.State.Digests {
		if ends := g.Ends(); ends.After(last) {
			last = ends
		}
	}
	d.Plan()
	d.AdvanceTo(last)
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
