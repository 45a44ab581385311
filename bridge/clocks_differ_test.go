package bridge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
)

// The second owner's clock is 59 minutes ahead of the first one's: between them, the
// store's clock shows a minute.
func TestAnOwnerWhoseClockIsAheadMakesNoSendOlder(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, id := range []string{"maths", "music"} {
			w.cancelled(id)
			w.pass(3 * time.Minute)
		}
		w.wantSends(2)
		before := w.bridge.Status().Quota[0].Frees
		w.end()
		w.pass(time.Hour)
		w.store.Skew = -59 * time.Minute
		for range 2 { // the next one has the same clock, and finds nothing to mend
			w.start()
			hour := w.bridge.Status().Quota[0]
			if late := hour.Frees.Sub(before); hour.Used != 2 || late < 59*time.Minute || late > 60*time.Minute {
				t.Errorf("%+v, want two used, and the first back 59 minutes later than %s", hour, before)
			}
			w.cancelled("art")
			w.pass(10 * time.Minute)
			w.wantSends(2)
			w.end()
		}
		w.start()
	})
}

// It dies right after its claim: nothing else was stored.
func TestAClaimAloneDoesNotForgetThatClocksDiffer(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, id := range []string{"maths", "music"} {
			w.cancelled(id)
			w.pass(3 * time.Minute)
		}
		w.end()
		w.pass(time.Hour)
		w.store.Skew = -59 * time.Minute
		puts := 0
		w.store.OnPut = func([]byte) {
			if puts++; puts == 1 {
				w.lease.Revoke()
				w.stop()
			}
		}
		w.start()
		if err := <-w.done; err != nil || puts == 0 {
			t.Fatalf("%d puts, %v", puts, err)
		}
		t.Logf("%d puts", puts)
		w.start()
		if hour := w.bridge.Status().Quota[0]; hour.Used != 2 {
			t.Errorf("%+v, want two used", hour)
		}
	})
}

// NATS was not there for a while: the clocks are as they were.
func TestAClaimWhoseAnswerComesLateTellsOfNoClock(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.end()
		const told = "this machine's clock, or that of NATS, shows another time than when the app was owned last: sends count by both"
		for want, skew := range []time.Duration{0, -time.Hour} {
			w.store.Skew, w.log = skew, strings.Builder{}
			lost, until := false, time.Now().Add(12*time.Second)
			w.store.Fault = func(int) bridgetest.Fault {
				if lost {
					return bridgetest.None
				}
				lost = true
				return bridgetest.Written
			}
			w.store.ReadErr = func() error {
				if lost && time.Now().Before(until) {
					return bridgetest.ErrInjected
				}
				return nil
			}
			w.start()
			w.pass(time.Minute)
			if lines := w.logged(told); w.bridge.Status().Role != bridge.RoleOwner || len(lines) != want {
				t.Errorf("%s apart: told %d times, want %d: %s", skew, len(lines), want, lines)
			}
			w.end()
		}
		w.start()
	})
}
