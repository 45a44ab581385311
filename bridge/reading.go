package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// startReading reads on from the checkpoints that were folded.
func (t *tenure) startReading(ctx context.Context) {
	readCtx, stop := context.WithCancel(ctx)
	out := make(chan Batch)
	t.cfg.Note("stream.ahead", nil)
	t.batches, t.readFrom, t.reading = out, time.Now(), map[string]*reading{}
	for stream := range t.state.Sources {
		t.reading[stream] = &reading{}
	}
	subjects, sources, from := t.rules.App.Subjects(), t.rules.Sources, maps.Clone(t.state.Sources)
	t.subjects = subjects
	t.state.countUnder(subjects)
	done, failed := make(chan struct{}), make(chan error, 1)
	t.readFailed, t.readAgain = failed, time.Time{}
	go func() {
		defer close(done)
		if err := t.cfg.Source.Read(readCtx, subjects, sources, from, out); readCtx.Err() == nil {
			failed <- err
		}
	}()
	t.stopRead = func() { stop(); <-done }
}

// readingFailed decides whether reading is worth another try. Sources survive
// trouble by themselves; what ends them is a configuration that can't work.
// Unless we are strict, it leaves the app running, to send what it has.
func (t *tenure) readingFailed(err error) error {
	t.cfg.Note("source.refused", err)
	if why := err.Error(); why != t.refused {
		t.refused = why
		t.log.Error("cannot read events", "err", err)
	}
	if errors.Is(err, ErrPermanent) && !t.lenient.Load() {
		return err
	}
	t.readAgain = time.Now().Add(readRetry)
	return nil
}

// tryAgain reads on after a failure. How long streams are waited for is not
// counted anew: one that can't be read would be waited for without an end.
func (t *tenure) tryAgain(ctx context.Context) {
	since := t.readFrom
	t.stopRead()
	t.backlog = nil
	t.startReading(ctx)
	t.readFrom = since
}

// take folds a batch, as far as the outbox has room for what it brings up.
func (t *tenure) take(b *Batch) {
	r := t.reading[b.Stream]
	if r == nil {
		r = &reading{}
		t.reading[b.Stream] = r
	}
	t.dirty = true
	if !r.caughtUp {
		t.heard = time.Now()
	}
	if b.Gap != nil && len(t.state.Outbox) >= maxOutbox+maxGaps {
		t.backlog = b // it brings a result, and is not told again if we stop meanwhile: so it waits only where there is no end to them
		return
	}
	if _, begun := t.state.Sources[b.Stream]; !begun {
		t.lastCommit = time.Time{} // where a stream was begun with must be stored before what follows is read
	}
	if b.Gap != nil {
		t.state.ReportGap(*b.Gap, time.Now())
		missing := fmt.Sprintf("%d to %d", b.Gap.From, b.Gap.To)
		if b.Gap.To == 0 { // of a stream that was made anew nobody knows what it had
			missing = fmt.Sprintf("%d and later", b.Gap.From)
		}
		t.log.Warn("events are missing from the stream", "stream", b.Gap.Stream, "missing", missing, "why", b.Gap.Why)
	}
	b.Gap = nil
	for i := range b.Messages {
		if t.state.Fold(t.rules.App, &b.Messages[i]) {
			t.changed = true
			if t.state.Crowded() {
				t.setBacklog(b, i+1)
				return
			}
		}
	}
	t.backlog = nil
	t.state.Advance(b.Stream, b.Checkpoint)
	r.pending = b.Pending
	if n := len(b.Messages); n > 0 {
		r.last = b.Messages[n-1].Time
		t.noteAhead(b.Stream, r)
	}
	age := time.Since(r.last) // below zero where our clock is behind, which says nothing
	if !r.caughtUp && (r.pending == 0 || age > -quotaGuard && age < fresh) {
		r.caughtUp, t.changed = true, true
	}
	t.logFailures(time.Now())
}

// noteAhead tells of a NATS server whose clock is ahead of ours, by more than
// clocks may differ.
func (t *tenure) noteAhead(stream string, r *reading) {
	by := time.Until(r.last)
	if ahead := by > quotaGuard; ahead == r.ahead {
		return
	}
	r.ahead = !r.ahead
	if r.ahead {
		t.cfg.Note("stream.ahead", fmt.Errorf("the latest event of %s was stored %s ahead of our clock: windows close, and items expire, late by that much",
			stream, by.Round(time.Second)))
		return
	}
	for _, other := range t.reading {
		if other.ahead {
			return
		}
	}
	t.cfg.Note("stream.ahead", nil)
}

// setBacklog keeps the unfolded rest of a batch. Its checkpoint is that of
// the last folded event: a commit in between is right.
func (t *tenure) setBacklog(b *Batch, folded int) {
	t.state.Advance(b.Stream, AfterEvent(b.Checkpoint.Created, &b.Messages[folded-1]))
	rest := *b
	rest.Messages = b.Messages[folded:]
	t.backlog = &rest
}

// caughtUp reports whether every stream was read to its end once. Until then
// nothing is sent: an event further on may cancel what an earlier one asked for.
// A stream that is not read any more says that it has nothing.
func (t *tenure) caughtUp(now time.Time) bool {
	if !now.Before(t.patience()) {
		return true
	}
	for _, r := range t.reading {
		if !r.caughtUp {
			return false
		}
	}
	return len(t.reading) > 0
}

// patience is until when streams that have not come to their end are waited for
// unless something more of a backlog is heard: of any, since they take turns.
func (t *tenure) patience() time.Time { return later(t.readFrom, t.heard).Add(catchUpAtMost) }
