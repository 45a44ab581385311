package bridge_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

// ailing is a source that fails, or falls silent within a backlog, when it is told to.
type ailing struct {
	bridge.Source
	fails, silent atomic.Bool
}

func (a *ailing) Read(ctx context.Context, subjects []string, sources []mapping.Source, from map[string]bridge.Checkpoint, out chan<- bridge.Batch) error {
	switch {
	case a.fails.Load():
		return fmt.Errorf("cannot read stream SCHOOL: it has WorkQueue retention: %w", bridge.ErrPermanent)
	case a.silent.Load():
		for pending := range uint64(2) { // something of a long backlog, then its stream has no leader
			select {
			case out <- bridge.Batch{Stream: "SCHOOL", Checkpoint: from["SCHOOL"], Pending: 100 - pending}:
			case <-ctx.Done():
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return a.Source.Read(ctx, subjects, sources, from, out)
}

func TestWhatWasGatheredIsSentAlthoughReadingFailsOrFallsSilent(t *testing.T) {
	for name, ail := range map[string]func(*ailing){
		"fails":  func(a *ailing) { a.fails.Store(true) },
		"silent": func(a *ailing) { a.silent.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.end()
				source := &ailing{Source: w.source}
				w.startWith(func(c *bridge.Config) { c.Source = source })
				w.cancelled("maths")
				w.pass(time.Second)
				ail(source)
				w.bridge.Reload(w.rules)
				w.settle()
				w.pass(20 * time.Second)
				if w.bridge.Status().CaughtUp {
					t.Error("after twenty seconds the stream is not waited for any more")
				}
				w.pass(time.Hour)
				if n := len(w.provider.Sends()); n != 1 {
					t.Errorf("%d broadcasts, want that of what was gathered before", n)
				}
				source.fails.Store(false)
				source.silent.Store(false)
				w.bridge.Reload(w.rules)
				w.cancelled("music")
				w.pass(2 * time.Hour)
				if n := len(w.provider.Sends()); n != 2 {
					t.Errorf("%d broadcasts once it is read again, want 2", n)
				}
			})
		})
	}
}

// The first event of a long backlog was stored an hour ago by a server whose clock may be ahead.
func TestABacklogIsOneAlsoWhereOurClockIsBehind(t *testing.T) {
	for _, ahead := range []time.Duration{0, 2 * time.Hour} {
		inWorld(t, func(w *world) {
			w.end()
			w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) {
				say(stored(batch("SCHOOL", 1, 1000, "lesson.cancelled"), time.Hour-ahead))
			})
			w.pass(time.Second)
			if w.bridge.Status().CaughtUp {
				t.Errorf("%s ahead: it counts as caught up with 1,000 to come", ahead)
			}
		})
	}
}

// Of two streams with a long backlog each the second one waits for its turn, and its
// first event cancels what the first one has asked for.
func TestAStreamThatWaitsForItsTurnIsNotSilent(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startReading(func(_ map[string]bridge.Checkpoint, say func(bridge.Batch)) {
			say(batch("CANCELS", 1, 1, ""))
			say(stored(batch("ITEMS", 1, 20, "lesson.cancelled"), time.Hour))
			for n := range uint64(20) {
				time.Sleep(3 * time.Second)
				say(batch("ITEMS", n+2, 19-n, ""))
			}
			time.Sleep(5 * time.Second)
			say(stored(batch("CANCELS", 2, 0, "lesson.restored"), time.Hour))
		})
		w.pass(2 * time.Hour)
		w.wantSends(0)
		if c := w.bridge.Status().Counts; c.Cancelled != 1 {
			t.Errorf("%+v, want one item cancelled", c)
		}
	})
}

func TestASecondCallIsAllowedOnlyWhereTheQuotaHasRoom(t *testing.T) {
	inWorld(t, func(w *world) { // two an hour
		var again []error
		w.provider.Answer = func(_ context.Context, n int, s bridge.Send) bridge.Outcome {
			o := bridge.Outcome{Kind: bridge.Accepted, HTTPStatus: 200, At: time.Now()}
			if n > 1 {
				again = append(again, s.Again())
			}
			return o
		}
		for i := range 3 {
			w.cancelled(fmt.Sprint("lesson ", i))
			w.pass(3 * time.Minute)
		}
		w.pass(2 * time.Hour)
		w.wantSends(3)
		if len(again) != 2 || again[0] == nil || again[1] == nil {
			t.Errorf("%v, want two refusals: of the hour's last and of the day's last", again)
		}
	})
}

// An owner that loses the app in mid-send may have it again when the answer comes.
func TestASecondCallIsNotAllowedForASendOfBefore(t *testing.T) {
	app := compile(t, scenarioRules).App
	s := bridge.NewState("campus", "born")
	for _, under := range []*bridge.Broadcast{nil, {ID: "b-2", Digest: &bridge.Digest{}}} {
		s.Sending = under
		if err := s.Again(app, "b-1", time.Now()); err == nil || len(s.Ledger.Spends) > 0 {
			t.Errorf("under way is %v: %v, %d spends", under, err, len(s.Ledger.Spends))
		}
	}
}

// The owner dies after it was allowed a second call: whether it has made it, nobody knows.
func TestASecondCallIsChargedBeforeItIsMade(t *testing.T) {
	inWorld(t, func(w *world) {
		stuck := make(chan struct{})
		w.provider.Answer = func(_ context.Context, _ int, s bridge.Send) bridge.Outcome {
			if err := s.Again(); err != nil {
				t.Error(err)
			}
			<-stuck
			return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
		}
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		first := w.done
		w.stop()
		w.start()
		if hour := w.bridge.Status().Quota[0]; hour.Used != 2 || hour.Left != 0 {
			t.Errorf("%+v, want two used", hour)
		}
		close(stuck)
		if err := <-first; err != nil {
			t.Errorf("the old owner ended with %v", err)
		}
	})
}
