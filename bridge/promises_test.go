package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
)

// The state that has the broadcast under way may be stored long after the
// decision: then it is too late to begin, and nothing is the provider's fault.
func TestASendWhoseStateIsStoredAfterItsDeadlineDoesNotBegin(t *testing.T) {
	inWorld(t, func(w *world) {
		from := time.Now().Add(2*time.Minute - time.Second)
		w.store.Fault = func(int) bridgetest.Fault {
			if now := time.Now(); !now.Before(from) && now.Before(from.Add(20*time.Second)) {
				return bridgetest.NotWritten
			}
			return bridgetest.None
		}
		w.cancelled("maths")
		w.pass(2*time.Minute + 23*time.Second) // the store answers again, and the deadline is over
		w.wantSends(0)
		w.pass(10 * time.Second)
		w.wantSends(1) // at once, as nothing was wrong with the provider
	})
}

// A send that has left ends as the provider says, whatever was ordered meanwhile.
func TestAnOrderDoesNotChangeWhatTheProviderSaid(t *testing.T) {
	for kind, want := range map[bridge.OutcomeKind]string{bridge.Accepted: "sent", bridge.Throttled: "throttled"} {
		t.Run(want, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
					time.Sleep(10 * time.Second)
					return bridge.Outcome{Kind: kind, Message: "says the provider", At: time.Now()}
				}
				w.cancelled("maths")
				w.pass(2*time.Minute + time.Second)
				w.pauseFor("wrong text")
				w.pass(time.Minute)
				w.wantResults(want)
				if len(w.logged("called a broadcast off before its first byte")) != 0 {
					t.Error("the log says that it was called off")
				}
				w.resume()
				w.pass(50 * time.Minute) // less than the hour that a throttling is waited for
				w.wantSends(1)
			})
		})
	}
}

func TestWhatTheProviderRejectsIsToldAndCounted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answer(1, bridge.Outcome{Kind: bridge.OutcomeRejected, HTTPStatus: 400, Code: new(1005), Message: "too long"})
		w.cancelled("a", "b")
		w.pass(5 * time.Minute)
		w.wantSends(1)
		w.wantResults("rejected")
		if s := w.bridge.Status(); s.Counts.Rejected != 2 || s.Waiting != 0 {
			t.Errorf("%d events are counted as rejected, %d wait", s.Counts.Rejected, s.Waiting)
		}
	})
}

// One that may not begin, though nobody has taken the app away, is not tried without a pause.
func TestASendThatMayNotBeginIsTriedAgainAfterAPause(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(time.Minute)
		w.lease.Oversleep()
		w.pass(80 * time.Second) // of them the window is closed for twenty
		if n := len(w.results()); n < 2 || n > 5 {
			t.Errorf("%d tries in twenty seconds", n)
		}
		w.wantSends(0)
	})
}

// From its claim on an owner fences the last one, also if it has nothing to say.
func TestAClaimIsStoredAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Minute)
		before := w.store.Record()
		w.end()
		w.start()
		r := w.store.Record()
		if !strings.HasPrefix(r.Token, "replica-2/2/") || r.Sequence <= before.Sequence {
			t.Errorf("stored is the state of %s at %d, after %s at %d", r.Token, r.Sequence, before.Token, before.Sequence)
		}
		w.store.Set(nil, "") // and it is the memory of its owner
		w.lease.Vanish("replica-2")
		w.lease.Revoke()
		w.pass(10 * time.Second)
		if s := w.bridge.Status(); s.Paused != nil || s.Epoch != 3 {
			t.Errorf("epoch %d, paused %+v", s.Epoch, s.Paused)
		}
	})
}

// What an app has sent under another name must be known before it is owned, in
// every claim.
func TestAClaimWaitsForTheWordAboutOtherNames(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(5 * time.Second)
		w.end()
		w.startWith(func(c *bridge.Config) {
			c.Namesake = func(context.Context, time.Time) (string, error) { return "", errors.New("no answer") }
		})
		w.pass(time.Hour)
		w.wantSends(0)
		if s := w.bridge.Status(); s.Role == bridge.RoleOwner {
			t.Error("it owns the app")
		}
	})
}

// The operator has decided what becomes of a loss; the results of before are no news.
func TestALossPausesAnAppOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.end()
		w.store.Set(nil, "")
		w.born = "anew"
		w.start()
		w.resume()
		w.pass(2 * time.Second)
		w.end()
		w.born = "third"
		w.start() // no result of the new life is there yet
		w.pass(2 * time.Second)
		if s := w.bridge.Status(); s.Paused != nil || s.Born != "anew" {
			t.Errorf("born %s, paused %+v", s.Born, s.Paused)
		}
	})
}

// What expires unsent is told with the planner's reason.
func TestWhatExpiresIsToldWithTheReason(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answer(always, bridge.Outcome{Kind: bridge.Throttled, Message: "too many"})
		w.cancelled("a", "b", "c")
		w.mute("others")
		w.pass(24 * time.Hour)
		told := false
		for _, p := range w.publisher.Published() {
			if strings.Contains(string(p.Data), `"state":"expired"`) {
				told = true
				if !strings.Contains(string(p.Data), `"reason":"`) {
					t.Errorf("no reason: %s", p.Data)
				}
			}
		}
		if !told {
			t.Error("nothing tells that they expired")
		}
	})
}

// What stops the owner may come while a send has not begun: it must not begin then.
func TestAnOwnerThatIsFencedCallsOffASendThatHasNotBegun(t *testing.T) {
	inWorld(t, func(w *world) {
		var began bool
		first := true
		w.provider.Answer = func(ctx context.Context, _ int, _ bridge.Send) bridge.Outcome {
			if !first {
				return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
			}
			first = false
			select { // the way to the host takes long
			case <-ctx.Done():
				return bridge.Outcome{Kind: bridge.NotSent, Message: "not begun", At: time.Now()}
			case <-time.After(10 * time.Second):
				began = true
				return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
			}
		}
		w.cancelled("maths")
		w.pass(2*time.Minute + time.Second)
		w.wantSends(1)
		w.store.Set(w.store.Record().Data, "another/9/9")
		w.cancelled("music") // it is told when it commits this
		w.pass(time.Minute)
		if began {
			t.Error("the send of an owner that was fenced has begun")
		}
	})
}

// Also what the planner was not asked about, and what could not be rendered.
func TestWhatExpiresWithoutAPlanIsToldWithAReason(t *testing.T) {
	cases := map[string]struct {
		do   func(w *world)
		want string
	}{
		"while nobody owned the app": {func(w *world) {
			w.cancelled("a")
			w.pass(time.Second)
			w.end()
			time.Sleep(7 * time.Hour)
			w.start()
		}, "nobody owned the app"},
		"while it was in doubt": {func(w *world) {
			w.answer(1, bridge.Outcome{Kind: bridge.Doubtful, Message: "no answer"})
			w.cancelled("a")
			w.pass(7 * time.Hour)
			w.notSent(w.bridge.Status().InDoubt[0].ID)
		}, "nobody knew whether it was sent"},
		"since it could not be rendered": {func(w *world) {
			w.end()
			w.rules = compile(t, strings.Replace(scenarioRules, "{{ .Count }}", "{{ .Last.Data.note }}", 1))
			w.start()
			w.cancelled("a")
			w.pass(7 * time.Hour)
		}, "note"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				c.do(w)
				w.pass(5 * time.Second)
				published := w.publisher.Published()
				last := published[len(published)-1]
				var e struct{ Data bridge.Result }
				if err := json.Unmarshal(last.Data, &e); err != nil || e.Data.State != bridge.ResultExpired || !strings.Contains(e.Data.Reason, c.want) {
					t.Errorf("%v; reason %q of %s, want one with %q", err, e.Data.Reason, last.Subject, c.want)
				}
			})
		})
	}
}
