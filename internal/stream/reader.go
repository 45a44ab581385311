package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// reader reads one stream for one app: attempt after attempt, each with a
// consumer of its own that begins right after position. Everything here is
// owned by the goroutine of run.
type reader struct {
	source *source
	stream string
	plan   streamPlan
	order  *turns
	out    chan<- bridge.Batch

	position bridge.Checkpoint // what was handed over, or found to hold nothing of ours
	known    bool              // position is set: there was a checkpoint, or the start was chosen
	handed   time.Time         // when something was last handed over
	rewound  time.Time         // since when the stream ends before position; zero: it doesn't

	// The first and the last sequences without an event for us, jumpFrom up to
	// before jumpTo, since the stream's front was last looked at.
	jumpFrom, jumpTo uint64
	explained        time.Time
}

func newReader(s *source, name string, p streamPlan, position bridge.Checkpoint, known bool, order *turns, out chan<- bridge.Batch) *reader {
	return &reader{source: s, stream: name, plan: p, position: position, known: known, order: order, out: out}
}

// run makes attempts until ctx ends, the configuration cannot work, or other
// streams are to be read.
func (r *reader) run(ctx context.Context) error {
	nc := r.source.js.nc
	status := nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	defer r.clearConditions()
	defer r.order.done(r.stream)
	pause := newPause()
	for ctx.Err() == nil {
		before := r.position
		err := r.attempt(ctx, status)
		if errors.Is(err, ErrPermanent) || errors.Is(err, errReplan) {
			return err
		}
		if errors.Is(err, errWaited) {
			continue
		}
		if errors.Is(err, errConnection) {
			r.order.lost(r.stream)
		}
		r.report(ctx, err)
		if r.position != before {
			pause.reset()
		}
		if err := pause.waitConnected(ctx, status); err != nil {
			break
		}
	}
	return fmt.Errorf("cannot go on reading %s: %w", r.stream, ctx.Err())
}

// report makes an attempt's end visible. One that ends with the connection
// is news of the connection only.
func (r *reader) report(ctx context.Context, err error) {
	js := r.source.js
	if ctx.Err() != nil {
		return
	}
	js.cfg.Logger.Debug("reading begins again", "stream", r.stream, "after", r.position.Sequence, "reason", err)
	switch {
	case isMissing(err):
		js.cfg.Conditions.Set(StreamMissing, r.stream, "the stream does not exist; its events are read when it does")
	case !errors.Is(err, errConnection) && js.nc.IsConnected():
		js.cfg.Conditions.Set(SourceInterrupted, r.stream, err.Error())
	}
}

func (r *reader) clearConditions() {
	for _, name := range []ConditionName{StreamMissing, StreamRewound, SourceInterrupted} {
		r.source.js.cfg.Conditions.Clear(name, r.stream)
	}
}

// attempt reads with one consumer until something goes wrong. conn ends with
// the connection, so that no request waits for an answer that went with it.
func (r *reader) attempt(ctx context.Context, status <-chan nats.Status) error {
	drain(status)
	r.order.back(r.stream)
	conn, done := whileConnected(ctx, status)
	defer done()
	err := r.attemptOn(ctx, conn)
	if ctx.Err() == nil && conn.Err() != nil {
		return context.Cause(conn)
	}
	return err
}

func (r *reader) attemptOn(ctx, conn context.Context) error {
	info, err := r.source.js.streamInfo(conn, r.stream)
	if err != nil {
		return r.lookFailed(err)
	}
	if readable(r.stream, info.Config) != nil {
		return errReplan // who looks for streams says what that means
	}
	if err := r.reconcile(ctx, conn, info); err != nil {
		return err
	}
	c, err := openConsumer(conn, r.source, r.stream, r.plan.filters, r.position.Sequence+1)
	if err != nil {
		return err
	}
	defer c.close()
	if c.pending > 0 {
		r.order.behind(r.stream)
	}
	// Had the stream been deleted and created again between the two looks,
	// this consumer would read events of the new one under the old name.
	again, err := r.source.js.streamInfo(conn, r.stream)
	if err != nil {
		return err
	}
	if !again.Created.Equal(info.Created) {
		return fmt.Errorf("cannot read %s: it was just created again", r.stream)
	}
	return r.consume(ctx, conn, c, again.State.LastSeq)
}

// whileConnected returns a context that ends when status says something,
// with errConnection as its cause, and what must be called in the end.
func whileConnected(ctx context.Context, status <-chan nats.Status) (conn context.Context, done func()) {
	conn, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-status:
			cancel(errConnection)
		case <-conn.Done():
		}
	})
	return conn, func() { cancel(nil); watching.Wait() }
}

// lookFailed decides what a missing stream means: one that the rules name is
// waited for, one that was found by its subjects may have a successor.
func (r *reader) lookFailed(err error) error {
	if isMissing(err) || r.source.js.nc.IsConnected() { // else it is everybody's trouble
		r.order.done(r.stream) // nobody waits for what may be away for long
	}
	if isMissing(err) {
		r.plan.start = startAwaited(r.plan.start, time.Now()) // once: then it is no longer "new"
	}
	if isMissing(err) && !r.plan.named {
		return errReplan
	}
	return fmt.Errorf("cannot look at stream %s: %w", r.stream, err)
}

// reconcile compares the stream with the position, chooses one if there is
// none, and reports what can no longer be read.
func (r *reader) reconcile(ctx, conn context.Context, info *jetstream.StreamInfo) error {
	r.source.js.cfg.Conditions.Clear(StreamMissing, r.stream)
	if !r.known {
		return r.begin(ctx, conn, info)
	}
	same, known, err := r.source.has(conn, r.stream, r.position, info)
	if err != nil {
		return err
	}
	if same { // restored, or a mirror that was made anew
		r.position.Created = info.Created
	}
	gap, next, rewound := compare(r.stream, r.position, info)
	if rewound && (len(replicasOf(info)) > 0 || info.Config.Mirror != nil) && r.mayCatchUp(info) {
		return fmt.Errorf("cannot read %s after %d: it ends at %d", r.stream, r.position.Sequence, info.State.LastSeq)
	}
	r.source.js.cfg.Conditions.Clear(StreamRewound, r.stream)
	r.rewound = time.Time{}
	regrown := gap == nil && known && !same // it has lost what it had, and has grown beyond the position since
	if regrown {
		gap = &bridge.Gap{Stream: r.stream, To: r.position.Sequence, Why: gapRewound}
	}
	if gap == nil {
		r.position = next // of a mirror that was made anew
		return nil
	}
	if !r.position.Stored.IsZero() && gap.Why != gapTruncated {
		// What is not newer than our last event was read, wherever it stands now,
		// also if the stream is restored once more before the next event. What is
		// newer may be there already, before the end of what was lost.
		sequence, err := r.source.sequenceBefore(conn, r.stream, r.position.Stored.Add(time.Nanosecond))
		if err != nil {
			return err
		}
		next.Sequence, next.Event = sequence, 0
		if gap.Why == gapRewound {
			gap.From = min(sequence+1, gap.To)
		}
	}
	gap.At = time.Now().UTC()
	if r.jumpTo != 0 && gap.Why == gapTruncated { // what was jumped over and not looked into went with it
		gap.From = min(gap.From, r.jumpFrom)
	}
	r.jumpFrom, r.jumpTo = 0, 0
	return r.hand(ctx, bridge.Batch{Stream: r.stream, Gap: gap, Checkpoint: next, Pending: pending(info, next.Sequence)})
}

func replicasOf(info *jetstream.StreamInfo) []*jetstream.PeerInfo {
	if info.Cluster == nil {
		return nil
	}
	return info.Cluster.Replicas
}

// pending is how much a stream may hold beyond a sequence.
func pending(info *jetstream.StreamInfo, sequence uint64) uint64 {
	return info.State.LastSeq - min(sequence, info.State.LastSeq)
}

// mayCatchUp reports whether a stream that ends before our position may still
// come to it: a new leader within seconds, a mirror that was made anew as soon as it
// has copied what there is. Reading it again from where it is would send again
// what was sent.
func (r *reader) mayCatchUp(info *jetstream.StreamInfo) bool {
	if r.rewound.IsZero() {
		r.rewound = time.Now()
		r.source.js.cfg.Conditions.Set(StreamRewound, r.stream, "the stream ends before our checkpoint; waiting for its replicas to catch up")
	}
	patience := r.source.times.rewind
	if info.Mirror != nil && (info.Mirror.Lag > 0 || info.Mirror.Active < 0) { // it copies, or has not begun
		patience = r.source.times.copying
	}
	return time.Since(r.rewound) < patience
}

// begin chooses where to read a stream for which there is no checkpoint, and
// hands that over, so that it is durable before the first event is.
func (r *reader) begin(ctx, conn context.Context, info *jetstream.StreamInfo) error {
	if err := r.awaitStart(conn); err != nil {
		return err
	}
	at, err := r.source.startAt(conn, r.stream, r.plan.start, info)
	if err != nil {
		return err
	}
	r.known = true
	return r.hand(ctx, bridge.Batch{Stream: r.stream, Checkpoint: at, Pending: pending(info, at.Sequence)})
}

// awaitStart lets a time to begin with come that is still ahead: the server would
// begin with whatever is stored next.
func (r *reader) awaitStart(conn context.Context) error {
	wait := time.Until(r.plan.start.Time)
	if r.plan.start.Mode != mapping.StartAtTime || wait <= 0 {
		return nil
	}
	r.order.done(r.stream)
	r.source.js.cfg.Logger.Info("a stream is read from its start on, which is still to come", "stream", r.stream, "start", r.plan.start.Time)
	select {
	case <-conn.Done():
		return context.Cause(conn)
	case <-time.After(wait):
		return nil
	}
}

// hand gives a batch to the receiver. Only what was taken moves the position.
func (r *reader) hand(ctx context.Context, b bridge.Batch) error {
	defer r.order.handing(r.stream)()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r.out <- b:
	}
	r.position, r.handed = b.Checkpoint, time.Now()
	return nil
}
