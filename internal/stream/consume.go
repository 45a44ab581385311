package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// errSilent ends an attempt whose server no longer shows a sign of life.
var errSilent = errors.New("the server's heartbeat is missing")

// errWaited ends an attempt that has waited for its turn for so long that its
// consumer is, or soon will be, gone.
var errWaited = errors.New("it has waited for its turn")

// explainEvery is how often at most a reader that is behind looks where the
// stream's front is.
const explainEvery = 250 * time.Millisecond

// linger is how long a batch that is not full waits for events of which the
// server has said that they are on their way.
const linger = 2 * time.Millisecond

// consuming is one attempt's state. It is owned by the reader's goroutine.
type consuming struct {
	*reader
	consumer *consumer
	sequence uint64 // consumer sequence of the latest event
	last     uint64 // stream sequence of the latest event, or of what a heartbeat vouched for
	pending  uint64 // as of the latest event
	caughtUp bool   // the receiver knows that there is nothing more
	batch    []mapping.Message
	bytes    int
}

// consume hands over events until something goes wrong. What was received
// until then is handed over still: it is complete up to there.
func (r *reader) consume(ctx, conn context.Context, c *consumer, streamEnd uint64) error {
	a := &consuming{reader: r, consumer: c, last: r.position.Sequence, pending: c.pending}
	r.source.js.cfg.Conditions.Clear(SourceInterrupted, r.stream)
	if c.pending == 0 && r.position.Sequence >= streamEnd {
		// Nothing to come, and nothing that a lagging replica could hide.
		if err := a.sayCaughtUp(ctx); err != nil {
			return err
		}
	}
	err := a.loop(ctx, conn)
	if ctx.Err() == nil {
		err = errors.Join(err, a.flush(ctx))
	}
	return err
}

func (a *consuming) loop(ctx, conn context.Context) error {
	silent := time.NewTimer(deadline)
	defer silent.Stop()
	for {
		silent.Reset(deadline)
		select {
		case m := <-a.consumer.msgs:
			if err := a.take(ctx, m); err != nil {
				return err
			}
		case <-silent.C:
			return errSilent
		case <-conn.Done():
			return context.Cause(conn)
		}
		if err := a.takeAll(ctx); err != nil {
			return err
		}
		if err := a.flush(ctx); err != nil {
			return err
		}
		if err := a.explainJump(ctx, conn); err != nil {
			return err
		}
	}
}

// takeAll takes what is there at once, and what is about to be, up to a full batch.
func (a *consuming) takeAll(ctx context.Context) error {
	var late *time.Timer
	for len(a.batch) < batchSize && a.bytes < batchBytes {
		select {
		case m := <-a.consumer.msgs:
			if err := a.take(ctx, m); err != nil {
				return err
			}
			continue
		default:
		}
		if len(a.batch) == 0 || a.pending == 0 {
			return nil
		}
		if late == nil {
			late = time.NewTimer(linger)
			defer late.Stop()
		}
		select {
		case m := <-a.consumer.msgs:
			if err := a.take(ctx, m); err != nil {
				return err
			}
		case <-late.C:
			return nil
		}
	}
	return nil
}

// take adds one message to the batch, or does what a status says.
func (a *consuming) take(ctx context.Context, m *nats.Msg) error {
	d, ok := parseDelivery(m.Reply)
	if !ok {
		return a.takeStatus(ctx, m)
	}
	if d.consumerSequence != a.sequence+1 || d.streamSequence <= a.last {
		return fmt.Errorf("cannot go on after delivery %d of %s (sequence %d): delivery %d (sequence %d) came next",
			a.sequence, a.stream, a.last, d.consumerSequence, d.streamSequence)
	}
	if d.streamSequence > a.last+1 {
		if a.jumpTo == 0 {
			a.jumpFrom = a.last + 1
		}
		a.jumpTo = d.streamSequence
	}
	a.add(m, d)
	a.consumer.asked--
	return a.consumer.pullMore()
}

func (a *consuming) add(m *nats.Msg, d delivery) {
	if a.batch == nil {
		a.batch = make([]mapping.Message, 0, min(len(a.consumer.msgs)+1, batchSize))
	}
	a.batch = append(a.batch, mapping.Message{
		Subject:  m.Subject,
		Stream:   a.stream,
		Sequence: d.streamSequence,
		Time:     time.Unix(0, d.stored).UTC(),
		Header:   m.Header,
		Data:     m.Data,
	})
	a.bytes += len(m.Data)
	a.sequence, a.last, a.pending = d.consumerSequence, d.streamSequence, d.pending
}

// explainJump looks whether the stream's front was removed before we had read
// it, by its limits or a purge. What was jumped over lately is reported as one
// stretch, of which some may have been read. A front that follows our reading
// so closely is reported too: it may have had events of ours.
func (a *consuming) explainJump(ctx, conn context.Context) error {
	if a.jumpTo == 0 || time.Since(a.explained) < explainEvery {
		return nil
	}
	info, err := a.source.js.streamInfo(conn, a.stream)
	if err != nil {
		return err
	}
	gap := &bridge.Gap{Stream: a.stream, From: a.jumpFrom, To: min(a.jumpTo, info.State.FirstSeq) - 1, Why: gapTruncated, At: time.Now().UTC()}
	a.jumpFrom, a.jumpTo, a.explained = 0, 0, time.Now()
	if !info.Created.Equal(a.position.Created) || gap.To < gap.From {
		return nil // foreign events, or deleted one by one, as a stream may have it
	}
	return a.hand(ctx, bridge.Batch{Stream: a.stream, Gap: gap, Checkpoint: a.position, Pending: a.pending})
}

func (a *consuming) takeStatus(ctx context.Context, m *nats.Msg) error {
	s := a.consumer.readStatus(m)
	switch {
	case s.err != nil:
		return s.err
	case s.ended:
		return a.consumer.pullMore()
	case s.consumer > a.sequence:
		return fmt.Errorf("cannot go on after delivery %d of %s: the server has made %d", a.sequence, a.stream, s.consumer)
	}
	return a.takeHeartbeat(ctx, s)
}

// takeHeartbeat moves the checkpoint on over events that are not for us. A
// heartbeat says, in the order of the deliveries, up to which sequence the
// consumer has looked at its own replica of the stream; if every delivery
// before it was received, nothing up to there can have been jumped over.
// (The end of the stream as its leader reports it would not do: the
// consumer's replica may lag behind it.)
func (a *consuming) takeHeartbeat(ctx context.Context, s status) error {
	if s.consumer != a.sequence {
		return nil
	}
	a.pending = 0
	if err := a.flush(ctx); err != nil {
		return err
	}
	a.last = max(a.last, s.stream)
	if !a.caughtUp || a.last > a.position.Sequence && time.Since(a.handed) >= a.source.times.idle {
		return a.sayCaughtUp(ctx)
	}
	return nil
}

// sayCaughtUp hands over an empty batch.
func (a *consuming) sayCaughtUp(ctx context.Context) error {
	a.caughtUp = true
	a.order.done(a.stream)
	c := a.position
	c.Sequence = a.last
	return a.hand(ctx, bridge.Batch{Stream: a.stream, Checkpoint: c})
}

// flush hands the gathered events over, as far as it is this stream's turn each
// time. The receiver owns them from here on.
func (a *consuming) flush(ctx context.Context) error {
	limit := time.Duration(0)
	if a.caughtUp {
		limit = a.source.times.turn // as things happen, a burst in one stream does not hold up the others
	}
	began := time.Now()
	for len(a.batch) > 0 {
		until, err := a.order.wait(ctx, a.stream, a.batch[0].Time, limit)
		if err != nil {
			return err
		}
		n := 1
		for n < len(a.batch) && (until.IsZero() || !a.batch[n].Time.After(until)) {
			n++
		}
		now := a.batch[:n:n]
		a.batch = a.batch[n:]
		b := bridge.Batch{
			Stream: a.stream, Messages: now, Pending: a.pending + uint64(len(a.batch)),
			Checkpoint: bridge.AfterEvent(a.position.Created, &now[n-1]),
		}
		a.caughtUp = b.Pending == 0
		if err := a.hand(ctx, b); err != nil {
			return err
		}
		if a.caughtUp {
			a.order.done(a.stream)
		} else if len(a.batch) == 0 {
			a.order.behind(a.stream)
		}
	}
	a.batch, a.bytes = nil, 0
	if time.Since(began) > inactiveLife/2 {
		return errWaited
	}
	return nil
}
