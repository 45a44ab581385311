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
