package bridge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
)

const (
	clocksDiffer = "this machine's clock, or that of NATS, shows another time than when the app was owned last: sends count by both"
	quotaGuard   = 5 * time.Second
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
		before := w.bridge.Status().Quota[0].Frees
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
		w.start()
		hour := w.bridge.Status().Quota[0]
		if late := hour.Frees.Sub(before); hour.Used != 2 || late < 59*time.Minute || late > 59*time.Minute+quotaGuard {
			t.Errorf("%+v, want two used, and the first back 59 minutes later than %s", hour, before)
		}
	})
}

// NATS was not there for a while: the clocks are as they were.
func TestAClaimWhoseAnswerComesLateTellsOfNoClock(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.end()
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
			if lines := w.logged(clocksDiffer); w.bridge.Status().Role != bridge.RoleOwner || len(lines) != want {
				t.Errorf("%s apart: told %d times, want %d: %s", skew, len(lines), want, lines)
			}
			w.end()
		}
		w.start()
	})
}

// What is stored was stored at another time than what is remembered.
func TestMemoryIsComparedWithNoClock(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		before := w.store.Record()
		w.pass(time.Hour)
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.store.Rewind(before)
		w.lease.Vanish("replica-1")
		w.lease.Revoke()
		w.pass(10 * time.Second)
		if s := w.bridge.Status(); s.Counts.Sent != 1 || len(w.logged(clocksDiffer)) > 0 {
			t.Errorf("%d sends are known; %s", s.Counts.Sent, w.logged(clocksDiffer))
		}
	})
}

// Its first owner of this build finds nothing to compare, and leaves something.
func TestAStateOfAnOlderBuildGetsItsClock(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.end()
		old := w.store.Record()
		old.Data = withoutClock(t, old.Data)
		w.store.Rewind(old)
		for _, want := range []int{0, 1} {
			w.start()
			w.cancelled("music")
			w.pass(3 * time.Minute)
			if lines := w.logged(clocksDiffer); len(lines) != want {
				t.Errorf("told %d times, want %d: %s", len(lines), want, lines)
			}
			w.end()
			w.store.Skew = -59 * time.Minute
		}
		w.start()
	})
}

func withoutClock(t *testing.T, data []byte) []byte {
	t.Helper()
	s, err := bridge.Decode("campus", data)
	if err != nil {
		t.Fatal(err)
	}
	s.Sealed = time.Time{}
	return encoded(t, s)
}

// It dies while it compares the clocks: the next one finds the broadcast in doubt already.
func TestAnInterruptedSendIsToldOfByWhoeverFoundIt(t *testing.T) {
	inWorld(t, func(w *world) {
		stuck := w.answersLate()
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		first, second := w.done, w.lease
		w.stop()
		w.lease = &bridgetest.Lease{}
		w.store.OnPut = func([]byte) { w.store.ReadErr = func() error { return bridgetest.ErrInjected } }
		w.start()
		w.pass(time.Second)
		w.store.OnPut, w.store.ReadErr = nil, nil
		w.lease.Revoke()
		w.pass(time.Minute)
		if lines := w.logged("found a broadcast whose sending was interrupted; whether it was sent is not known"); len(lines) != 1 {
			t.Errorf("told %d times", len(lines))
		}
		w.lease = second
		close(stuck)
		if err := <-first; err != nil {
			t.Errorf("the first owner ended with %v", err)
		}
	})
}

// The clocks agree: what the last owner stored came late.
func TestWhatIsToldOfClocksSaysThatAStateMayHaveComeLate(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		until := time.Now().Add(8 * time.Second)
		w.store.Fault = func(int) bridgetest.Fault {
			if time.Now().Before(until) {
				return bridgetest.Late
			}
			return bridgetest.None
		}
		w.store.ReadErr = func() error {
			if time.Now().Before(until) {
				return bridgetest.ErrInjected
			}
			return nil
		}
		w.cancelled("music")
		w.pass(4 * time.Second)
		w.lease.Revoke()
		w.pass(time.Minute)
		lines := w.logged(clocksDiffer)
		if len(lines) != 1 || !strings.Contains(lines[0], "its last state was stored late") {
			t.Errorf("the log says %q", lines)
		}
	})
}

// A second owner's clock is two minutes ahead of the first one's, and takes over at once:
// what may still be on its way to the provider does not arrive sooner.
func TestAClockThatIsAheadLetsNoRequestArriveEarlier(t *testing.T) {
	inWorld(t, func(w *world) {
		w.doubtful(1)
		w.tell("maths", "M")
		w.pass(2*time.Minute + time.Second)
		w.end()
		w.pass(2 * time.Minute)
		w.store.Skew = -2 * time.Minute
		w.start()
		id := w.bridge.Status().InDoubt[0].ID
		if err := w.resolve(id, false); err == nil || !strings.Contains(err.Error(), "may be on its way") {
			t.Errorf("a moment after it left it counts as not sent: %v", err)
		}
		w.pass(30 * time.Second)
		w.notSent(id)
	})
}
