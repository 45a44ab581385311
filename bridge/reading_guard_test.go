package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
	"github.com/belfry-bridge/belfry/mapping"
)

// told is a source that hands over what a function says, and then nothing.
type told struct {
	bridge.Source
	read func(from map[string]bridge.Checkpoint, say func(bridge.Batch))
}

func (s told) Read(ctx context.Context, _ []string, _ []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	s.read(from, func(b bridge.Batch) {
		select {
		case out <- b:
		case <-ctx.Done():
		}
	})
	<-ctx.Done()
	return ctx.Err()
}

// batch is one event, or none, at the end of a stream.
func batch(stream string, n, pending uint64, subject string) bridge.Batch {
	b := bridge.Batch{Stream: stream, Pending: pending, Checkpoint: bridge.Checkpoint{Sequence: n}}
	if subject != "" {
		b.Messages = []mapping.Message{{Stream: stream, Sequence: n, Subject: subject, Time: time.Now(), Data: []byte(`{"id":"maths"}`)}}
	}
	return b
}

// stored is a batch with its event stored so long ago.
func stored(b bridge.Batch, ago time.Duration) bridge.Batch {
	b.Messages[0].Time = time.Now().Add(-ago)
	return b
}

func (w *world) startReading(read func(from map[string]bridge.Checkpoint, say func(bridge.Batch))) {
	w.startWith(func(c *bridge.Config) { c.Source = told{w.source, read} })
}

// hasRead leaves a state with the checkpoints of two streams, and an item of the second.
func (w *world) hasRead(first, second string) {
	w.end()
	w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) {
		say(batch(first, 1, 0, ""))
		say(batch(second, 1, 0, "lesson.cancelled"))
	})
	w.pass(time.Second)
	w.end()
}

func TestNoSecondSendBeginsWhileOneIsUnderWay(t *testing.T) {
	inWorld(t, func(w *world) {
		stuck := w.answersLate()
		w.cancelled("maths")
		w.pass(130 * time.Second)
		w.wantSends(1)
		w.cancelled("music")
		w.pass(10 * time.Minute)
		w.wantSends(1)
		close(stuck)
		w.pass(time.Second)
		w.wantSends(2)
		if c := w.bridge.Status().Counts; c.Broadcasts != 2 || c.Sent != 2 {
			t.Errorf("%+v, want both counted as sent", c)
		}
	})
}

func TestNothingIsSentBeforeEveryStreamOfTheCheckpointsHasComeToItsEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hasRead("CANCELS", "ITEMS")
		w.pass(time.Hour)
		w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) {
			say(batch("ITEMS", 1, 0, ""))
			time.Sleep(10 * time.Second)
			say(batch("CANCELS", 2, 0, "lesson.restored"))
		})
		w.pass(time.Minute)
		w.wantSends(0)
		w.wantResults("cancelled")
	})
}

func TestAStreamThatNeverPausesIsReadToItsEndWhereItsEventsAreFresh(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) {
			say(batch("SCHOOL", 1, 3, "lesson.cancelled"))
			for n := range uint64(1200) {
				time.Sleep(time.Second)
				say(batch("SCHOOL", n+2, 3, "lesson.moved"))
			}
		})
		w.pass(5 * time.Minute)
		w.wantSends(1)
	})
}

// What is heard of one that has come to its end says nothing of the other.
func TestAStreamThatSaysNothingIsWaitedForNoLongerBesideABusyOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hasRead("SILENT", "SCHOOL")
		w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) {
			for n := range uint64(120) {
				say(batch("SCHOOL", n+2, 0, "lesson.moved"))
				time.Sleep(5 * time.Second)
			}
		})
		w.pass(5 * time.Minute)
		w.wantSends(1)
	})
}

// The loop wakes for it, though nothing else happens.
func TestAStreamThatSaysNothingIsWaitedForToTheSecond(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hasRead("SILENT", "SCHOOL")
		w.pass(10 * time.Minute)
		w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) { say(batch("SCHOOL", 1, 0, "")) })
		w.pass(29 * time.Second)
		w.wantSends(0)
		w.pass(2 * time.Second)
		w.wantSends(1)
	})
}

// The source looks at them on a goroutine of its own.
func TestTheCheckpointsThatReadingBeganWithStayAsTheyWere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startReading(func(from map[string]bridge.Checkpoint, say func(bridge.Batch)) {
			was := maps.Clone(from)
			say(batch("SCHOOL", 1, 0, "lesson.cancelled"))
			time.Sleep(time.Second)
			if !maps.Equal(from, was) {
				t.Errorf("they are %v after an event, want %v", from, was)
			}
		})
		w.pass(time.Minute)
		if got := w.bridge.Status().Sources["SCHOOL"].Sequence; got != 1 {
			t.Errorf("the app has come to %d, want 1", got)
		}
	})
}

func TestReadingThatFailsIsTriedAgainAndToldOfOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		var fails atomic.Bool
		fails.Store(true)
		source := &failing{Source: w.source, why: func() error {
			if fails.Load() {
				return errors.New("no responders")
			}
			return nil
		}}
		w.startWith(func(c *bridge.Config) { c.Source, c.Strict = source, true })
		w.cancelled("maths")
		w.pass(time.Minute)
		if n := source.reads.Load(); n < 10 || n > 14 {
			t.Errorf("tried %d times in a minute, want every five seconds", n)
		}
		if said := w.trouble("source.refused"); said != "no responders" {
			t.Errorf("the trouble is %q", said)
		}
		if said := w.logged("cannot read events"); len(said) != 1 {
			t.Errorf("the log says %q, want it once", said)
		}
		fails.Store(false)
		w.pass(time.Hour)
		w.wantSends(1)
	})
}

func TestAStrictAppEndsWithWhatCanNeverBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		never := fmt.Errorf("WorkQueue retention: %w", bridge.ErrPermanent)
		w.startWith(func(c *bridge.Config) {
			c.Source, c.Strict = &failing{Source: w.source, why: func() error { return never }}, true
		})
		w.settle()
		select {
		case err := <-w.done:
			if !errors.Is(err, bridge.ErrPermanent) {
				t.Errorf("it ended with %v", err)
			}
		default:
			t.Error("it goes on")
			w.end()
		}
		w.start()
	})
}

// failing is a source whose reading ends with an error as long as there is one,
// and at once where it is told so.
type failing struct {
	*bridgetest.Source
	why   func() error
	now   chan error
	reads atomic.Int64
}

func (f *failing) Read(ctx context.Context, subjects []string, sources []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	f.reads.Add(1)
	if err := f.why(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-f.now:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	_ = f.Source.Read(ctx, subjects, sources, from, out)
	return context.Cause(ctx)
}

// An outbox that is full stops the folding in the midst of a batch.
func TestWhatWasNotFoldedYetIsFoldedOnceWhateverComesBetween(t *testing.T) {
	const dead = 600
	for name, between := range map[string]func(w *world, f *failing){
		"a failure of reading": func(_ *world, f *failing) { f.now <- errors.New("no responders") },
		"a reload":             func(w *world, _ *failing) { w.bridge.Reload(w.rules) },
		"a restart":            func(w *world, f *failing) { w.end(); w.startWith(func(c *bridge.Config) { c.Source = f }) },
		"more events":          func(w *world, _ *failing) { w.cancelled("music") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.end()
				down := w.publishNothing()
				f := &failing{Source: w.source, why: func() error { return nil }, now: make(chan error)}
				w.startWith(func(c *bridge.Config) { c.Source = f })
				w.source.Append(time.Now(), slices.Repeat([]mapping.Message{{Subject: "lesson.cancelled", Data: []byte("{")}}, dead)...)
				w.cancelled("maths")
				w.pass(2 * time.Second)
				between(w, f)
				w.pass(10 * time.Second)
				down.Store(false)
				w.cancelled("sports")
				w.pass(time.Hour)
				want := uint64(dead + 2)
				if name == "more events" {
					want++
				}
				if c := w.bridge.Status().Counts; c.Read != want || c.DeadLetters != dead {
					t.Errorf("%d events read, and %d dead letters, want %d and %d", c.Read, c.DeadLetters, want, dead)
				}
				if n := len(w.results()); n != dead+1 {
					t.Errorf("%d results and dead letters, want %d", n, dead+1)
				}
			})
		})
	}
}

// slowOnceUp is a publisher that takes a second for each entry once it is there.
type slowOnceUp struct {
	*bridgetest.Publisher
	down atomic.Bool
}

func (s *slowOnceUp) Publish(ctx context.Context, p bridge.Publication) error {
	if s.down.Load() {
		return errors.New("no responders")
	}
	time.Sleep(time.Second)
	return s.Publisher.Publish(ctx, p)
}

// There is room for a send long before there is some for the rest.
func TestNothingIsSentWhileARestOfABatchWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		publisher := &slowOnceUp{Publisher: w.publisher}
		publisher.down.Store(true)
		w.startWith(func(c *bridge.Config) { c.Publisher = publisher })
		w.cancelled("maths")
		events := slices.Repeat([]mapping.Message{{Subject: "lesson.cancelled", Data: []byte("{")}}, 300)
		w.source.Append(time.Now(), append(events, mapping.Message{Subject: "lesson.restored", Data: []byte(`{"id":"maths"}`)})...)
		w.pass(10 * time.Minute)
		publisher.down.Store(false)
		w.pass(time.Hour)
		w.wantSends(0)
		if c := w.bridge.Status().Counts; c.Cancelled != 1 {
			t.Errorf("%+v, want one item cancelled", c)
		}
	})
}

// gapsTold lists where the gaps begin of which a result tells.
func (w *world) gapsTold() (from []uint64) {
	for _, p := range w.publisher.Published() {
		var e struct{ Data bridge.Result }
		if strings.HasSuffix(p.Subject, ".gap") && json.Unmarshal(p.Data, &e) == nil && e.Data.Gap != nil {
			from = append(from, e.Data.Gap.From)
		}
	}
	return from
}

func TestAGapIsToldOnceThoughTheRestOfItsBatchWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startReading(func(from map[string]bridge.Checkpoint, say func(bridge.Batch)) {
			b := bridge.Batch{Stream: "SCHOOL", Gap: &bridge.Gap{Stream: "SCHOOL", From: 1, To: 99, Why: "truncated", At: time.Now()}, Checkpoint: bridge.Checkpoint{Sequence: 1000}}
			for n := range uint64(900) {
				b.Messages = append(b.Messages, mapping.Message{Stream: "SCHOOL", Sequence: 100 + n, Subject: "lesson.cancelled", Time: time.Now(), Data: []byte("{")})
			}
			say(b)
		})
		w.pass(time.Hour)
		if got := w.gapsTold(); !slices.Equal(got, []uint64{1}) {
			t.Errorf("told of gaps from %v, want one", got)
		}
		if c := w.bridge.Status().Counts; c.Gaps != 1 || c.Read != 900 {
			t.Errorf("%d gaps and %d events, want 1 and 900", c.Gaps, c.Read)
		}
	})
}

// counting knows how many are reading it.
type counting struct {
	bridge.Source
	now, most atomic.Int64
}

func (c *counting) Read(ctx context.Context, subjects []string, sources []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	c.most.Store(max(c.most.Load(), c.now.Add(1)))
	defer c.now.Add(-1)
	return c.Source.Read(ctx, subjects, sources, from, out)
}

func TestAppsAreReadOnceAtATimeAndNotAfterTheirEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		source := &counting{Source: w.source}
		w.startWith(func(c *bridge.Config) { c.Source = source })
		for range 3 {
			w.pass(time.Second)
			w.bridge.Reload(w.rules)
		}
		w.pass(time.Second)
		if now, most := source.now.Load(), source.most.Load(); now != 1 || most != 1 {
			t.Errorf("%d are reading, and %d were", now, most)
		}
		w.end()
		if now := source.now.Load(); now != 0 {
			t.Errorf("%d are reading when the app has ended", now)
		}
		w.start()
	})
}
