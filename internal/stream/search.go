package stream

import (
	"context"
	"errors"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// search looks which streams are to be read, for as long as one Read lasts.
// It is used by one goroutine at a time: Read's, or that of watch.
type search struct {
	*source
	subjects []string
	sources  []mapping.Source

	known     map[string]bool          // streams that have a checkpoint or were read
	starts    map[string]mapping.Start // of the streams that are read
	unread    map[string]time.Time     // subjects of which a stream was missing or left out, or named streams left out, and since when
	looked    time.Time                // the latest look that succeeded; zero: none has
	dismissed map[string]bool          // streams of which it was said that they have nothing for us
}

func newSearch(s *source, subjects []string, sources []mapping.Source, from map[string]bridge.Checkpoint) *search {
	l := &search{
		source: s, subjects: subjects, sources: sources, known: map[string]bool{}, starts: map[string]mapping.Start{},
		unread: map[string]time.Time{}, dismissed: map[string]bool{},
	}
	for name := range from {
		l.known[name] = true
	}
	return l
}

// take makes what was found what is read from now on.
func (l *search) take(found resolved) {
	starts := map[string]mapping.Start{}
	for name, sp := range found.plan {
		start, ok := l.starts[name]
		if !ok {
			start = l.startOf(name, sp)
		}
		sp.start = start
		found.plan[name], starts[name], l.known[name] = sp, start, true
	}
	l.starts = starts
	l.note(found)
}

// startOf is where a stream is begun with. What it stored since it was not
// there, or was left out, is new as well.
func (l *search) startOf(name string, sp streamPlan) mapping.Start {
	start, awaited := sp.start, sp.subjects
	if sp.named {
		awaited = []string{name} // whether it was there, its reader knows
	}
	for _, subject := range awaited {
		if since, ok := l.unread[subject]; ok {
			start = startAwaited(start, since)
		}
	}
	if !sp.named && !l.looked.IsZero() {
		start = startAwaited(start, l.looked)
	}
	return start
}

// note remembers what a look found missing, beside what is read.
func (l *search) note(found resolved) {
	l.looked = time.Now()
	for _, list := range [][]string{found.missing, found.partial} {
		for _, subject := range list {
			if l.unread[subject].IsZero() {
				l.unread[subject] = l.looked
			}
		}
	}
}

// watch looks again and again while the streams of found are read, and ends
// that when others are to be read.
func (l *search) watch(ctx context.Context, found resolved, cancel context.CancelCauseFunc) {
	for {
		patience := l.times.look
		if len(found.missing) > 0 {
			patience = l.times.resolve
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(patience):
		}
		now, err := l.resolve(ctx)
		if errors.Is(err, ErrPermanent) || err == nil && !now.plan.equal(found.plan) {
			cancel(errReplan)
			return
		}
		if err == nil {
			found = now
			l.note(found)
			l.reportResolved(found, nil)
		}
	}
}

// dismiss says of each stream with a position that is not read that it has
// nothing for us, so that nobody waits for its end. One that is gone is waited
// for as long as a subject has no stream: it may come back.
func (l *search) dismiss(ctx context.Context, found resolved, positions map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	for name, at := range positions {
		if _, read := found.plan[name]; read {
			delete(l.dismissed, name)
			continue
		}
		if l.dismissed[name] || l.mayComeBack(ctx, name, found) {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case out <- bridge.Batch{Stream: name, Checkpoint: at}:
			l.dismissed[name] = true
		}
	}
	return nil
}

func (l *search) mayComeBack(ctx context.Context, name string, found resolved) bool {
	if len(l.sources) > 0 || len(found.missing) == 0 {
		return false
	}
	_, err := l.js.streamInfo(ctx, name)
	return err != nil
}
