package bridge_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/mapping"
)

func (w *world) mute(audience string) {
	w.t.Helper()
	w.order(func(s *bridge.State, _ *mapping.App, now time.Time) error {
		s.Mute(bridge.Mute{Audience: audience, Until: now.Add(time.Hour)})
		return nil
	})
}

func TestAPauseCallsOffWhatHasNotLeft(t *testing.T) {
	for name, stop := range map[string]func(*world){
		"pause": func(w *world) { w.pauseFor("wrong text") },
		"mute":  func(w *world) { w.mute("students") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Answer = func(ctx context.Context, _ int, _ bridge.Send) bridge.Outcome {
					<-ctx.Done() // no byte leaves before
					return bridge.Outcome{Kind: bridge.NotSent, Message: "not begun", At: time.Now()}
				}
				w.cancelled("maths")
				w.pass(2*time.Minute + time.Second)
				w.wantSends(1)
				stop(w)
				w.pass(30 * time.Minute)
				w.wantSends(1)
				w.wantResults("not_sent")
				if s := w.bridge.Status(); s.Sending != nil || s.Waiting != 1 {
					t.Errorf("under way is %+v, %d wait", s.Sending, s.Waiting)
				}
			})
		})
	}
}

func TestAnotherOrderCallsNothingOff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.provider.Answer = func(ctx context.Context, _ int, _ bridge.Send) bridge.Outcome {
			select {
			case <-ctx.Done():
				return bridge.Outcome{Kind: bridge.NotSent, Message: "not begun", At: time.Now()}
			case <-time.After(10 * time.Second):
				return bridge.Outcome{Kind: bridge.Accepted, At: time.Now()}
			}
		}
		w.cancelled("maths")
		w.pass(2*time.Minute + time.Second)
		w.mute("others")
		w.pass(time.Minute)
		w.wantResults("sent")
	})
}

func TestAnOperatorsPauseIsNotForgottenWhenTheProviderBlocks(t *testing.T) {
	inWorld(t, func(w *world) {
		stuck := make(chan struct{})
		w.provider.Answer = func(context.Context, int, bridge.Send) bridge.Outcome {
			<-stuck
			return bridge.Outcome{Kind: bridge.Blocked, Code: new(1001), Message: "no such key", At: time.Now()}
		}
		w.cancelled("maths")
		w.pass(2*time.Minute + time.Second)
		w.pauseFor("exam week")
		close(stuck)
		w.pass(time.Minute)
		p := w.bridge.Status().Paused
		if p == nil || p.Code != 1001 || !strings.HasPrefix(p.Why, "exam week; and since ") || !strings.HasSuffix(p.Why, "no such key") || p.Ordered {
			t.Errorf("paused: %+v", p)
		}
	})
}

// Who has given an order may look at once, and must not see what held before it.
func TestWhoGaveAnOrderSeesWhatThePlannerMakesOfIt(t *testing.T) {
	inWorld(t, func(w *world) {
		seen := func() bridge.DigestStatus {
			t.Helper()
			s := w.bridge.Status()
			if len(s.Digests) != 1 {
				t.Fatalf("%d digests", len(s.Digests))
			}
			return s.Digests[0]
		}
		w.cancelled("maths")
		w.pass(time.Second)
		w.pauseFor("wrong text")
		if d := seen(); d.State != bridge.StatePaused {
			t.Errorf("right after the pause it is shown as %s: %s", d.State, d.Why)
		}
		w.pass(time.Second)
		w.resume()
		if d := seen(); d.State != bridge.StateGathering {
			t.Errorf("right after the pause was ended it is shown as %s: %s", d.State, d.Why)
		}
		w.pass(time.Second)
		w.mute("students")
		if d := seen(); d.State != bridge.StateMuted {
			t.Errorf("right after the mute it is shown as %s: %s", d.State, d.Why)
		}
	})
}

// What has expired while nobody knew whether it was sent does not wait again, not even for a moment.
func TestWhoResolvesADoubtIsShownNothingThatHasExpired(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answer(1, bridge.Outcome{Kind: bridge.Doubtful, Message: "no answer"})
		w.cancelled("maths")
		w.pass(7 * time.Hour)
		w.notSent(w.bridge.Status().InDoubt[0].ID)
		for _, d := range w.bridge.Status().Digests {
			t.Errorf("it is shown as %s, though it expired at %s: %s", d.State, d.Expires, d.Why)
		}
	})
}
