package bridge_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// overtaken has another replica claim the app right before the first write.
type overtaken struct {
	bridge.Store
	claim func()
}

func (o *overtaken) Put(ctx context.Context, data []byte, token string, expect uint64) (uint64, error) {
	if claim := o.claim; claim != nil {
		o.claim = nil
		claim()
	}
	return o.Store.Put(ctx, data, token, expect)
}

func TestAReplicaThatIsOvertakenAtItsClaimGoesOnWithWhatTheFasterOneHasStored(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(2 * time.Second)
		w.end()
		faster := func() {
			s, err := bridge.Decode("campus", w.store.Record().Data)
			if err != nil {
				t.Fatal(err)
			}
			s.Epoch++
			s.Ledger.External("their-send", time.Now(), "")
			s.Seal(w.rules.App, "another", time.Now())
			w.store.Set(encoded(t, s), "another/2/9")
		}
		w.startWith(func(c *bridge.Config) { c.Store = &overtaken{w.store, faster} })
		if n := len(w.logged("another replica claimed the app first, trying again")); n != 1 {
			t.Errorf("it is told %d times", n)
		}
		w.pass(3 * time.Minute)
		w.wantSends(1)
		s, err := bridge.Decode("campus", w.store.Record().Data)
		if err != nil {
			t.Fatal(err)
		}
		if _, known := s.Ledger.Find("their-send"); s.Epoch != 3 || s.Owner != "replica-2" || !known {
			t.Errorf("stored is epoch %d of %s, with the other's send: %t", s.Epoch, s.Owner, known)
		}
	})
}

// refusing is a Store that can only be read.
type refusing struct{ bridge.Store }

func (refusing) Put(context.Context, []byte, string, uint64) (uint64, error) {
	return 0, errors.New("no quorum")
}

func TestAClaimThatCannotBeStoredMakesNobodyTheOwner(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.end()
		w.startWith(func(c *bridge.Config) { c.Store = refusing{w.store} })
		w.pass(time.Hour)
		if s := w.bridge.Status(); s.Role != bridge.RoleClaiming {
			t.Errorf("it is %s", s.Role)
		}
		w.wantSends(0)
		w.end()
		w.start()
		w.pass(3 * time.Minute)
		w.wantSends(1)
	})
}
