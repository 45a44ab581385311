package bridge_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
)

// A backup is put back while no owner is left who knows what came after it:
// the app's results do.
func TestAnOlderStateThatIsPutBackBeginsPausedWithIDsOfItsOwn(t *testing.T) {
	inWorld(t, func(w *world) {
		putBack(w) // "maths" is gathered in what is put back
		w.start()
		w.pass(3 * time.Hour)
		w.wantSends(2)
		s := w.bridge.Status()
		if s.Paused == nil || !strings.Contains(s.Paused.Why, "older than the app's latest result, of ") {
			t.Fatalf("the app is paused with %+v", s.Paused)
		}
		w.resume()
		w.cancelled("music")
		w.pass(time.Hour)
		w.end()
		w.start() // under the new ids it is not asked again
		w.pass(time.Hour)
		if s := w.bridge.Status(); s.Paused != nil {
			t.Errorf("the next owner is paused again: %s", s.Paused.Why)
		}
		w.wantSends(4) // "maths" again, since nobody has muted it, and "music"
		ids := map[string]bool{}
		for _, send := range w.provider.Sends() {
			if ids[send.ID] {
				t.Errorf("the id %s was used twice", send.ID)
			}
			ids[send.ID] = true
		}
		sent := 0
		for _, r := range w.results() {
			if r == string(bridge.ResultSent) {
				sent++
			}
		}
		if sent != 4 {
			t.Errorf("%d results of broadcasts, want 4", sent)
		}
	})
}

// putBack sends one broadcast, then another, and puts back what was stored before the second.
func putBack(w *world) {
	w.cancelled("first")
	w.pass(3 * time.Minute)
	w.cancelled("maths")
	w.pass(2 * time.Second)
	backup := w.store.Record()
	w.pass(time.Hour)
	w.wantSends(2)
	w.end()
	w.store.Rewind(backup)
	w.born = "anew"
}

// failFor lets the stream of results answer again only after a while.
func (w *world) failFor(d time.Duration) {
	until := time.Now().Add(d)
	w.publisher.Fail = func(bridge.Publication) error {
		if time.Now().Before(until) {
			return errors.New("no responders")
		}
		return nil
	}
}

// After a power loss one stream has its leader some seconds before the other.
func TestAnOlderStateIsNoticedAlsoWhereTheResultsAnswerLate(t *testing.T) {
	inWorld(t, func(w *world) {
		putBack(w)
		w.failFor(20 * time.Second)
		w.start()
		w.pass(10 * time.Second)
		w.end() // and its first owner dies while it asks
		w.start()
		w.pass(3 * time.Hour)
		w.wantSends(2)
		if s := w.bridge.Status(); s.Paused == nil || s.Born != "anew" || s.Restored.IsZero() {
			t.Errorf("born %s, restored %s, paused %+v", s.Born, s.Restored, s.Paused)
		}
	})
}

func TestResultsThatDoNotAnswerAreWaitedForAMinute(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("first")
		w.pass(3 * time.Minute)
		w.cancelled("maths")
		w.pass(115 * time.Second) // its window closes in five more
		w.end()
		w.failFor(24 * time.Hour)
		w.start()
		w.pass(30 * time.Second)
		if why := w.bridge.Status().Digests[0].Why; !strings.Contains(why, "latest result must be looked at") {
			t.Errorf("it says: %s", why)
		}
		w.pass(time.Hour)
		w.wantSends(2)
		if s := w.bridge.Status(); s.Role != bridge.RoleOwner || s.Paused != nil {
			t.Errorf("the app is %s, paused %+v", s.Role, s.Paused)
		}
	})
}

// Memory of an earlier tenure is better than a backup, and may be older than
// what another owner has sent since.
func TestMemoryThatIsOlderThanTheResultsIsNoticed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("first")
		w.pass(3 * time.Minute)
		w.cancelled("maths")
		w.pass(2 * time.Second)
		backup := w.store.Record()
		w.cancelled("maths")
		w.pass(2 * time.Second)
		back := w.lease.GiveAway()
		w.lease.Revoke()
		w.pass(time.Second)
		one, stop, done := w.bridge, w.stop, w.done
		w.startWith(func(c *bridge.Config) { c.Lease = &bridgetest.Lease{} })
		w.pass(time.Hour)
		w.wantSends(2)
		w.end()
		w.store.Rewind(backup)
		w.bridge, w.stop, w.done, w.born = one, stop, done, "anew"
		back()
		w.pass(3 * time.Hour)
		w.wantSends(2)
		if s := w.bridge.Status(); s.Paused == nil || !strings.Contains(s.Paused.Why, "older than the app's latest result") {
			t.Errorf("paused %+v", s.Paused)
		}
	})
}

// Each loss and each backup begins another life, whose results come after those of the one before.
func TestABackupIsNoticedInEachLifeOfAnApp(t *testing.T) {
	for name, between := range map[string]func(w *world, backup bridge.Record){
		"after a loss": func(w *world, _ bridge.Record) {
			w.store.Set(nil, "")
			w.born = "anew"
			w.start()
			w.cancelled("art")
			w.restored("art") // a result of the new life
			w.pass(time.Minute)
		},
		"a second time": func(w *world, backup bridge.Record) {
			w.store.Rewind(backup)
			w.born = "anew"
			w.start()
			w.pass(24 * time.Hour) // "maths" expires unsent
			w.resume()
			w.cancelled("music")
			w.pass(time.Hour)
			w.wantSends(3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.cancelled("first")
				w.pass(3 * time.Minute)
				backup := w.store.Record()
				w.cancelled("maths")
				w.pass(10 * time.Minute)
				w.wantSends(2)
				w.end()
				between(w, backup)
				n := len(w.provider.Sends())
				w.end()
				w.store.Rewind(backup)
				w.born = "third"
				w.start()
				w.pass(3 * time.Hour)
				w.wantSends(n)
				if s := w.bridge.Status(); s.Paused == nil || s.Born != "third" {
					t.Errorf("born %s, paused %+v", s.Born, s.Paused)
				}
			})
		})
	}
}

// After a loss epochs are counted anew: a lower one may be the later.
func TestMemoryIsNotWrittenOverWhatAnotherOwnerHasSentSince(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(2 * time.Second)
		backup := w.store.Record()
		for range 6 {
			w.lease.Revoke() // a network that flaps: epochs 2 to 7
			w.pass(2 * time.Second)
		}
		back := w.lease.GiveAway()
		w.lease.Revoke()
		w.pass(time.Second)
		one, stop, done := w.bridge, w.stop, w.done
		w.store.Rewind(backup)
		w.startWith(func(c *bridge.Config) { c.Lease = &bridgetest.Lease{} })
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.end()
		w.bridge, w.stop, w.done = one, stop, done
		back()
		w.pass(time.Hour)
		w.wantSends(1)
	})
}

// It would be the latest one then, and later than the state that was loaded.
func TestNoResultOfOursComesBeforeTheLatestOneWasLookedAt(t *testing.T) {
	for name, tt := range map[string]struct {
		answers, dies bool
		after         time.Duration
	}{
		"and it stops in good order":                 {false, false, 10 * time.Second},
		"and it dies right after the answer":         {true, true, 10 * time.Second},
		"and it dies right after it has given it up": {false, true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.cancelled("a")
				w.pass(20 * time.Minute)
				w.wantSends(1)
				w.end()
				var answers atomic.Bool
				var atFirst atomic.Pointer[bridge.Record] // what was stored when the first result went out
				w.publisher.Fail = func(p bridge.Publication) error {
					if p.ID == "" && !answers.Load() {
						return errors.New("no leader")
					}
					if p.ID != "" && atFirst.Load() == nil {
						r := w.store.Record()
						atFirst.Store(&r)
					}
					return nil
				}
				w.start()
				w.cancelled("b")
				w.restored("b") // a result
				w.pass(5500 * time.Millisecond)
				answers.Store(tt.answers)
				for range tt.after / (100 * time.Millisecond) { // so that the latest commit is never long ago
					w.cancelled("c")
					w.pass(100 * time.Millisecond)
				}
				w.end()
				answers.Store(true)
				if tt.dies {
					w.store.Rewind(*atFirst.Load())
				}
				w.start()
				w.pass(10 * time.Second)
				if p := w.bridge.Status().Paused; p != nil {
					t.Errorf("it is paused: %s", p.Why)
				}
			})
		})
	}
}

// Its lease vanished before our eyes once, and it has the memory: what is stored
// is older than that only if nobody has claimed or begun the app since.
func TestMemoryGoesOnOnlyWhereNobodyHasClaimedTheAppSince(t *testing.T) {
	for name, stored := range map[string]func(r *bridge.Record){
		"another has claimed it":  func(r *bridge.Record) { r.Token = "another/9/1" },
		"another has begun anew":  func(r *bridge.Record) { r.Token = "another/1/1"; r.Data = begunAnew(t) },
		"it names no owner":       func(r *bridge.Record) { r.Token = "" },
		"it is of the same epoch": func(r *bridge.Record) { r.Token = "another/1/1" },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pass(time.Second)
				before := w.store.Record()
				w.cancelled("maths")
				w.pass(3 * time.Minute)
				w.wantSends(1)
				stored(&before)
				w.store.Rewind(before)
				w.lease.Vanish("replica-1")
				w.lease.Revoke()
				w.pass(10 * time.Second)
				if s := w.bridge.Status(); s.Counts.Sent != 0 {
					t.Errorf("the memory goes on: %d sends are known", s.Counts.Sent)
				}
			})
		})
	}
}

func begunAnew(t *testing.T) []byte {
	t.Helper()
	s := bridge.NewState("campus", "anew")
	s.Epoch, s.Commit = 1, 1
	return encoded(t, s)
}

// It was the last to have the lease of a state that is lost now, results and all;
// but what it remembers is of before another owner.
func TestMemoryDoesNotGoOnOnceAnotherReplicaHasHadTheApp(t *testing.T) {
	for name, vanish := range map[string]func(w *world){
		"its lease vanished before our eyes once": func(w *world) { w.lease.Vanish("replica-1") },
		"its lease was always there":              func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				vanish(w)
				w.cancelled("maths")
				w.pass(2 * time.Second)
				back := w.lease.GiveAway()
				w.lease.Revoke()
				w.pass(time.Second)
				one, stop, done := w.bridge, w.stop, w.done
				w.startWith(func(c *bridge.Config) { c.Lease = &bridgetest.Lease{} })
				w.pass(3 * time.Minute)
				w.wantSends(1)
				w.end()
				w.store.Set(nil, "")
				w.publisher.Forget()
				w.bridge, w.stop, w.done = one, stop, done
				back()
				w.pass(time.Hour)
				w.wantSends(1)
				if p := w.bridge.Status().Paused; p == nil || !strings.Contains(p.Why, "the stored state is lost") {
					t.Errorf("paused: %+v", p)
				}
			})
		})
	}
}

// What NATS loses within a second is state alone: the lease was renewed before that.
func TestMemoryGoesOnWhereTheStateAloneIsAsItWasBefore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Second)
		before := w.store.Record()
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.publisher.Forget()
		w.store.Rewind(before)
		w.lease.Revoke()
		w.pass(time.Hour)
		w.wantSends(1)
		if s := w.bridge.Status(); s.Counts.Sent != 1 {
			t.Errorf("%d sends are known", s.Counts.Sent)
		}
	})
}
