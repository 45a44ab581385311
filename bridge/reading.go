package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/belfry-bridge/belfry/mapping"
)

const (
	catchUpAtMost = 30 * time.Second // a stream that says nothing for so long is not waited for
	fresh         = 10 * time.Second // an event this young is no backlog
	readRetry     = 5 * time.Second
)

// reader reads the app's streams: on one goroutine at a time, which a failure or
// new rules end. It knows how far they have come, and not what is made of them.
type reader struct {
	batches     <-chan Batch
	failed      <-chan error // capacity 1
	stop        func()       // waits until nothing is read any more
	subjects    []string
	streams     map[string]*progress
	backlog     *Batch    // what was not folded yet, because the outbox was full
	again       time.Time // after a failure; zero: reading goes on
	refused     string    // the latest failure, told already
	since       time.Time // from then on streams are waited for
	heard       time.Time // when the last batch of a backlog came
	wasCaughtUp bool      // when that was looked at last
}

// progress is how far one stream has come since reading was started.
type progress struct {
	pending  uint64
	last     time.Time // arrival of the last event
	caughtUp bool
	ahead    bool // the last event is of the future
}

// start reads on from some checkpoints. What was not folded is read again.
func (r *reader) start(ctx context.Context, source Source, subjects []string, sources []mapping.Source, from map[string]Checkpoint) {
	ctx, stop := context.WithCancel(ctx)
	out, done, failed := make(chan Batch), make(chan struct{}), make(chan error, 1)
	r.batches, r.failed, r.subjects, r.streams = out, failed, subjects, map[string]*progress{}
	r.since, r.again, r.backlog = time.Now(), time.Time{}, nil
	for stream := range from {
		r.streams[stream] = &progress{}
	}
	go func() {
		defer close(done)
		if err := source.Read(ctx, subjects, sources, from, out); ctx.Err() == nil {
			failed <- err
		}
	}()
	r.stop = func() { stop(); <-done }
}

// incoming is where batches come from: from nowhere as long as there is a backlog.
func (r *reader) incoming() <-chan Batch {
	if r.backlog != nil {
		return nil
	}
	return r.batches
}

// hear notes that something came of a stream.
func (r *reader) hear(stream string) *progress {
	p := r.streams[stream]
	if p == nil {
		p = &progress{}
		r.streams[stream] = p
	}
	if !p.caughtUp {
		r.heard = time.Now()
	}
	return p
}

// caughtUp reports whether every stream was read to its end once. Until then
// nothing is sent: an event further on may cancel what an earlier one asked for.
// A stream that is not read any more says that it has nothing.
func (r *reader) caughtUp(now time.Time) bool {
	if !now.Before(r.patience()) {
		return true
	}
	for _, p := range r.streams {
		if !p.caughtUp {
			return false
		}
	}
	return len(r.streams) > 0
}

// patience is until when streams that have not come to their end are waited for
// unless something more of a backlog is heard: of any, since they take turns.
func (r *reader) patience() time.Time { return later(r.since, r.heard).Add(catchUpAtMost) }

// wakeAt is when to try again, or to wait no longer for the end of a stream.
func (r *reader) wakeAt(now time.Time) time.Time {
	if at := r.patience(); at.After(now) && !r.caughtUp(now) { // after it only a batch changes the answer
		return earliest(r.again, at)
	}
	return r.again
}

// startReading reads on from the checkpoints that were folded.
func (t *tenure) startReading(ctx context.Context) {
	t.cfg.Note("stream.ahead", nil)
	subjects := t.rules.App.Subjects()
	t.state.countUnder(subjects)
	t.reader.start(ctx, t.cfg.Source, subjects, t.rules.Sources, maps.Clone(t.state.Sources))
}

// readingFailed decides whether reading is worth another try. Sources survive
// trouble by themselves; what ends them is a configuration that can't work.
// Unless we are strict, it leaves the app running, to send what it has.
func (t *tenure) readingFailed(err error) error {
	t.cfg.Note("source.refused", err)
	if why := err.Error(); why != t.reader.refused {
		t.reader.refused = why
		t.log.Error("cannot read events", "err", err)
	}
	if errors.Is(err, ErrPermanent) && !t.lenient.Load() {
		return err
	}
	t.reader.again = time.Now().Add(readRetry)
	return nil
}

// tryAgain reads on after a failure, when it is time to. How long streams are waited
// for is not counted anew: one that can't be read would be waited for without an end.
func (t *tenure) tryAgain(ctx context.Context, now time.Time) {
	if t.reader.again.IsZero() || now.Before(t.reader.again) {
		return
	}
	since := t.reader.since
	t.reader.stop()
	t.startReading(ctx)
	t.reader.since = since
}

// take folds a batch, as far as the outbox has room for what it brings up.
func (t *tenure) take(b *Batch) {
	p := t.reader.hear(b.Stream)
	t.writer.dirty = true
	if b.Gap != nil && len(t.state.Outbox) >= maxOutbox+maxGaps {
		t.reader.backlog = b // it brings a result, and is not told again if we stop meanwhile: so it waits only where there is no end to them
		return
	}
	if _, begun := t.state.Sources[b.Stream]; !begun {
		t.writer.last = time.Time{} // where a stream was begun with must be stored before what follows is read
	}
	if b.Gap != nil {
		t.reportGap(*b.Gap)
		b.Gap = nil
	}
	for i := range b.Messages {
		if t.state.Fold(t.rules.App, &b.Messages[i]) {
			t.planner.changed = true
			if t.state.crowded() {
				t.setBacklog(b, i+1)
				return
			}
		}
	}
	t.reader.backlog = nil
	t.state.advance(b.Stream, b.Checkpoint)
	p.pending = b.Pending
	if n := len(b.Messages); n > 0 {
		p.last = b.Messages[n-1].Time
		t.noteAhead(b.Stream, p)
	}
	age := time.Since(p.last) // below zero where our clock is behind, which says nothing
	if !p.caughtUp && (p.pending == 0 || age > -quotaGuard && age < fresh) {
		p.caughtUp, t.planner.changed = true, true
	}
	t.logFailures(time.Now())
}

func (t *tenure) reportGap(g Gap) {
	t.state.reportGap(g, time.Now())
	missing := fmt.Sprintf("%d to %d", g.From, g.To)
	if g.To == 0 { // of a stream that was made anew nobody knows what it had
		missing = fmt.Sprintf("%d and later", g.From)
	}
	t.log.Warn("events are missing from the stream", "stream", g.Stream, "missing", missing, "why", g.Why)
}

// setBacklog keeps the unfolded rest of a batch. Its checkpoint is that of
// the last folded event: a commit in between is right.
func (t *tenure) setBacklog(b *Batch, folded int) {
	t.state.advance(b.Stream, AfterEvent(b.Checkpoint.Created, &b.Messages[folded-1]))
	rest := *b
	rest.Messages = b.Messages[folded:]
	t.reader.backlog = &rest
}

// noteAhead tells of a NATS server whose clock is ahead of ours, by more than
// clocks may differ.
func (t *tenure) noteAhead(stream string, p *progress) {
	by := time.Until(p.last)
	if ahead := by > quotaGuard; ahead == p.ahead {
		return
	}
	p.ahead = !p.ahead
	if p.ahead {
		t.cfg.Note("stream.ahead", fmt.Errorf("the latest event of %s was stored %s ahead of our clock: windows close, and items expire, late by that much",
			stream, by.Round(time.Second)))
		return
	}
	for _, other := range t.reader.streams {
		if other.ahead {
			return
		}
	}
	t.cfg.Note("stream.ahead", nil)
}

const failuresEvery = time.Minute // between two lines of the log about one rule

func (t *tenure) logFailures(now time.Time) {
	for _, rule := range t.state.failedSince() {
		f, known := t.state.FailedOn[rule]
		if known {
			f.Read = now
			t.state.FailedOn[rule] = f
		}
		if last, told := t.toldOf[rule]; !known || told && now.Sub(last) < failuresEvery {
			continue
		}
		t.toldOf[rule] = now
		t.log.Warn("a rule's expression failed on an event, which counts as no match", "rule", rule, "part", f.Part, "err", f.Error,
			"events", t.state.Failed[rule], "remedy", fmt.Sprintf("belfry explain --stream %s --seq %d", f.Stream, f.Sequence))
	}
}
