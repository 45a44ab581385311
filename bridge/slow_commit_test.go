package bridge_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
)

// slowStore takes its time for every state, as one of a hundred that share a core.
type slowStore struct {
	*bridgetest.Store
	takes time.Duration
	puts  atomic.Int64
}

func (s *slowStore) Put(ctx context.Context, data []byte, token string, expect uint64) (uint64, error) {
	s.puts.Add(1)
	time.Sleep(s.takes)
	return s.Store.Put(ctx, data, token, expect)
}

func TestStatesThatTakeLongToStoreAreStoredLessOften(t *testing.T) {
	for takes, most := range map[time.Duration]int64{time.Millisecond: 61, 30 * time.Millisecond: 42, 300 * time.Millisecond: 14} {
		t.Run(takes.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.end()
				store := &slowStore{Store: w.store, takes: takes}
				w.startWith(func(c *bridge.Config) { c.Store = store })
				w.pass(10 * time.Second)
				before := store.puts.Load()
				for i := range 600 {
					w.cancelled(fmt.Sprint("lesson-", i))
					w.pass(100 * time.Millisecond)
				}
				if n := store.puts.Load() - before; n > most || n < 11 {
					t.Errorf("stored %d times in a minute, want 11 to %d", n, most)
				}
				w.pass(20 * time.Minute)
				w.wantSends(1)
			})
		})
	}
}

// The results of so many digests wait for a commit, and the reading for them.
func TestAFloodOfCancellationsDoesNotWaitWhereStatesAreStoredLessOften(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.rules = compile(t, strings.Replace(scenarioRules, "keep: 5", "keep: 5\n    group_by: event.data.id", 1))
		w.startWith(func(c *bridge.Config) { c.Store = &slowStore{Store: w.store, takes: 100 * time.Millisecond} })
		w.pass(10 * time.Second)
		for i := range 1000 {
			w.cancelled(fmt.Sprint("group-", i))
			w.restored(fmt.Sprint("group-", i))
		}
		w.pass(3 * time.Second)
		if n := w.bridge.Status().Counts.Cancelled; n != 1000 {
			t.Errorf("%d of 1000 are read after 3 s", n)
		}
	})
}

// Who reconciles compares them with what has been counted already.
func TestResultsDoNotWaitWhereStatesAreStoredLessOften(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.startWith(func(c *bridge.Config) { c.Store = &slowStore{Store: w.store, takes: 200 * time.Millisecond} })
		for i := range 20 {
			w.cancelled("maths")
			w.restored("maths")
			w.pass(1500 * time.Millisecond)
			if n := len(w.results()); n < i {
				w.t.Fatalf("%d results of %d cancellations, one every 1.5 s", n, i+1)
			}
		}
	})
}

func TestTheStatusSaysHowLargeTheStoredStateIsAndHowLongCommitsTook(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		store := &slowStore{Store: w.store, takes: 300 * time.Millisecond}
		w.startWith(func(c *bridge.Config) { c.Store = store })
		w.cancelled("maths")
		w.pass(10 * time.Second)
		s, stored := w.bridge.Status(), len(w.store.Record().Data)
		if s.StateSize == 0 || s.StateSize != stored {
			t.Errorf("the status says %d bytes, %d are stored", s.StateSize, stored)
		}
		within, n := s.Commits.Within(), s.Commits.Count
		if n == 0 || within[0.25] != 0 || within[0.5] != n || s.Commits.Sum < time.Duration(n)*store.takes {
			t.Errorf("commits that took 300 ms each: %+v", s.Commits)
		}
	})
}
