package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
	"github.com/belfry-bridge/belfry/mapping"
)

// deadLetters appends events that nobody can decode.
func (w *world) deadLetters(n int) {
	w.source.Append(time.Now(), slices.Repeat([]mapping.Message{{Subject: "lesson.cancelled", Data: []byte("{")}}, n)...)
	w.settle()
}

// without lists why dead letters have no bytes, and counts those that have them.
func (w *world) without() (said []string, with int) {
	for _, p := range w.publisher.Published() {
		if !strings.HasPrefix(p.Subject, "belfry.deadletter.") {
			continue
		}
		if why := p.Header["Belfry-Gone"]; len(why) > 0 {
			said = append(said, why[0])
		} else {
			with++
		}
	}
	return said, with
}

// elsewhere is a stream that gives other events than those that were read, or none.
type elsewhere struct {
	bridge.Source
	get func(mapping.Message, error) (mapping.Message, error)
}

func (e elsewhere) Get(ctx context.Context, stream string, sequence uint64) (mapping.Message, error) {
	return e.get(e.Source.Get(ctx, stream, sequence))
}

func TestADeadLetterWhoseEventIsGoneGoesWithoutItsBytes(t *testing.T) {
	for name, get := range map[string]func(mapping.Message, error) (mapping.Message, error){
		"dropped": func(mapping.Message, error) (mapping.Message, error) {
			return mapping.Message{}, fmt.Errorf("cannot fetch: %w", bridge.ErrMessageGone)
		},
		"of a stream that was made anew": func(m mapping.Message, err error) (mapping.Message, error) {
			m.Time, m.Data = m.Time.Add(time.Second), []byte("another event")
			return m, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.end()
				w.startWith(func(c *bridge.Config) { c.Source = elsewhere{w.source, get} })
				w.deadLetters(1)
				w.pass(10 * time.Second)
				if said, with := w.without(); len(said) != 1 || with != 0 || !strings.Contains(said[0], "no longer had") {
					t.Errorf("%d go with bytes, and others say %q", with, said)
				}
			})
		})
	}
}

func TestAShortTroubleOfAStreamCostsNoDeadLetterItsBytes(t *testing.T) {
	inWorld(t, func(w *world) {
		for round := range 2 { // the second trouble is not the rest of the first
			began := time.Now()
			w.source.Fault = func() error {
				if time.Since(began) < 50*time.Second {
					return errors.New("no leader")
				}
				return nil
			}
			w.deadLetters(300) // they hold the app up
			w.pass(10 * time.Minute)
			if said, with := w.without(); len(said) > 0 || with != 300*(round+1) {
				t.Errorf("%d of %d have their bytes; %d have not", with, 300*(round+1), len(said))
			}
		}
	})
}

func TestWhatIsRefusedForGoodIsTriedAtAPace(t *testing.T) {
	inWorld(t, func(w *world) {
		var tries atomic.Int64
		w.publisher.Fail = func(bridge.Publication) error {
			if tries.Add(1) > 1000 {
				return nil
			}
			return fmt.Errorf("too large: %w", bridge.ErrPermanent)
		}
		w.deadLetters(1)
		w.pass(time.Minute)
		if n := tries.Load(); n < 3 || n > 200 {
			t.Errorf("tried %d times in a minute", n)
		}
	})
}

func TestAResultThatWaitsIsPublishedOnceHoweverManyCommitsPass(t *testing.T) {
	inWorld(t, func(w *world) {
		var down atomic.Bool
		down.Store(true)
		times := map[string]int{} // the publisher calls one after the other
		w.publisher.Fail = func(p bridge.Publication) error {
			if down.Load() {
				return errors.New("no responders")
			}
			times[p.ID]++
			return nil
		}
		for range 5 {
			w.deadLetters(1)
			w.pass(2 * time.Second)
		}
		down.Store(false)
		w.pass(time.Minute)
		delete(times, "") // asks for the latest
		for id, n := range times {
			if n != 1 {
				t.Errorf("%s was published %d times", id, n)
			}
		}
		if len(times) != 5 {
			t.Errorf("%d were published, want 5", len(times))
		}
	})
}

// mute is a publisher that answers to nothing.
type mute struct{ *bridgetest.Publisher }

func (mute) Publish(ctx context.Context, _ bridge.Publication) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAPublisherThatIsEndedWithItsTenureIsNoTrouble(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startWith(func(c *bridge.Config) { c.Publisher = mute{w.publisher} })
		w.deadLetters(1)
		w.pass(100 * time.Millisecond)
		defer w.lease.GiveAway()()
		w.lease.Revoke()
		w.pass(2500 * time.Millisecond) // before what was said is taken back
		if got := w.trouble("deadletters.unpublished"); got != "" || w.bridge.Status().Role != bridge.RoleStandby {
			t.Errorf("it is %s, and says %q", w.bridge.Status().Role, got)
		}
	})
}
