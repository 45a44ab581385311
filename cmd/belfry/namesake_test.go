package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func TestAppsThatAskAtTheSameTimeShareTheStatesThatTheyLookFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNamesakes()
		var reads, failed atomic.Uint64
		read := func(context.Context) (*mapping.RuleSet, map[string]*bridge.State, error) {
			mine := reads.Add(1)
			time.Sleep(time.Second)
			if mine == 1 {
				return nil, nil, errors.New("the first has lost its lease")
			}
			return &mapping.RuleSet{}, map[string]*bridge.State{"other": {Epoch: mine}}, nil
		}
		looked := 0 // by one after the other
		ask := func(ctx context.Context) {
			asked := reads.Load()
			err := n.use(ctx, read, func(_ *mapping.RuleSet, states map[string]*bridge.State) error {
				looked++
				if at := states["other"].Epoch; at <= asked {
					t.Errorf("who asked after reading %d had begun was shown what it read", asked)
				}
				return nil
			})
			if err != nil {
				failed.Add(1)
			}
		}
		var asking sync.WaitGroup
		given, giveUp := context.WithCancel(t.Context())
		for range 50 {
			asking.Go(func() { ask(t.Context()) })
		}
		synctest.Wait() // one reads, the others wait
		asking.Go(func() { ask(given) })
		synctest.Wait()
		giveUp()
		time.Sleep(1500 * time.Millisecond) // in the midst of the second reading
		for range 50 {
			asking.Go(func() { ask(t.Context()) })
		}
		asking.Wait()
		if reads.Load() != 3 || failed.Load() != 2 || looked != 99 {
			t.Errorf("%d readings, %d failed and %d looked; want 3, 2 and 99", reads.Load(), failed.Load(), looked)
		}
		if n.states != nil {
			t.Error("the states are kept, although nobody asks")
		}
	})
}

// A stream may be shared with a daemon of a hundred apps, whose states are large.
func TestOnlyStatesThatMayBeOursAreKeptForThoseWhoAsk(t *testing.T) {
	js, codec := emptyStates(t)
	for app, key := range map[string]string{"theirs": "another's hash", "older": ""} {
		s := bridge.NewState(app, "born")
		s.Epoch, s.Commit, s.Key = 1, 1, key
		data, err := codec.Encode(s)
		if err == nil {
			_, err = js.Store(app).Put(t.Context(), data, "test", 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d := daemon{js: js, rulesFile: &rulesFile{rules: &mapping.RuleSet{Apps: map[string]*mapping.App{"campus": {Name: "campus", Key: "ours"}}}}}
	if _, states, err := d.unnamedStates(t.Context()); err != nil || len(states) != 1 || states["older"] == nil {
		t.Errorf("kept are %v, %v; want older, which does not say whose key it is", sortedKeys(states), err)
	}
}
