package stream

import (
	"context"
	"sync"
	"time"
)

// turns lets the readers of an app's streams hand over what has piled up in
// the order in which it was stored: what cancels or replaces something must not
// come before it because its stream is read faster. A stream that has no more
// to come takes no part, so nothing waits where all are read as things happen.
type turns struct {
	patience time.Duration // with a stream that is behind and says nothing

	mu      sync.Mutex
	heads   map[string]head // of the streams that are behind
	changed chan struct{}   // closed with the next change
}

// head is the next event of a stream.
type head struct {
	at    time.Time // when it was stored; zero: it has not come yet
	since time.Time // when that became so
	lost  bool      // its reader can say nothing: the connection went, or the receiver is busy
}

func newTurns(patience time.Duration) *turns {
	return &turns{patience: patience, heads: map[string]head{}, changed: make(chan struct{})}
}

// behind says that a stream has more, and that it is not known yet what.
func (t *turns) behind(stream string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h, ok := t.heads[stream]; !ok || !h.at.IsZero() { // else it goes on being silent
		t.set(stream, head{since: time.Now()})
	}
}

// lost says that the connection went: what a stream has is known only when it is back.
func (t *turns) lost(stream string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(stream, head{lost: true})
}

// handing says that a stream's reader waits for the receiver, until the returned
// function is called: it can say nothing meanwhile, and is not silent.
func (t *turns) handing(stream string) (over func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h, behind := t.heads[stream]; !behind || !h.at.IsZero() {
		return func() {}
	}
	t.set(stream, head{lost: true})
	return func() { t.back(stream) }
}

// back says that a stream is being read again.
func (t *turns) back(stream string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heads[stream].lost {
		t.set(stream, head{since: time.Now()})
	}
}

// done says that nothing is to come from a stream, or that nobody knows when.
func (t *turns) done(stream string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.heads[stream]; ok {
		delete(t.heads, stream)
		t.tell()
	}
}

func (t *turns) set(stream string, h head) {
	t.heads[stream] = h
	t.tell()
}

func (t *turns) tell() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// wait returns when no other stream has anything that was stored before at, which
// is when this stream's next event was, or has been silent for too long; after
// the limit in any case, if there is one. Until the time that it returns, zero
// for any, it is this stream's turn.
func (t *turns) wait(ctx context.Context, stream string, at time.Time, limit time.Duration) (until time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	began := time.Now()
	for {
		if t.heads[stream].at != at {
			t.set(stream, head{at: at, since: time.Now()})
		}
		until, mine, again := t.turn(stream, at)
		if mine {
			return until, nil
		}
		if limit > 0 {
			if again = min(again, limit-time.Since(began)); again <= 0 {
				return time.Time{}, nil
			}
		}
		changed := t.changed
		t.mu.Unlock()
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		t.mu.Lock()
		if err != nil {
			return time.Time{}, err
		}
	}
}

// turn looks whether it is a stream's turn, or when to look again at the latest.
func (t *turns) turn(stream string, at time.Time) (until time.Time, mine bool, again time.Duration) {
	mine, again = true, t.patience
	for other, h := range t.heads {
		silent := time.Since(h.since)
		switch {
		case other == stream:
		case h.lost:
			mine = false
		case h.at.IsZero() && silent >= t.patience:
		case h.at.IsZero():
			mine, again = false, min(again, t.patience-silent)
		case h.at.Before(at):
			mine = false
		case until.IsZero() || h.at.Before(until):
			until = h.at
		}
	}
	return until, mine, again
}
