package bridge_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
	"github.com/belfry-bridge/belfry/bridge/bridgetest"
)

// An app that was renamed knows nothing of what it has sent.
func TestAnAppWhoseKeyHasSentUnderAnotherNameBeginsPaused(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		w.store = &bridgetest.Store{}
		w.publisher = &bridgetest.Publisher{}
		var trouble atomic.Bool
		trouble.Store(true)
		w.startWith(func(c *bridge.Config) {
			c.Namesake = func(context.Context, time.Time) (string, error) {
				if trouble.Load() {
					return "", errors.New("no answer")
				}
				return "it was called annex", nil
			}
		})
		w.cancelled("maths")
		w.pass(5 * time.Minute)
		w.wantSends(0)
		if s := w.bridge.Status(); s.Role == bridge.RoleOwner {
			t.Error("it has begun although nobody knows whether it has sent")
		}
		trouble.Store(false)
		w.pass(5 * time.Minute)
		w.wantSends(0)
		if s := w.bridge.Status(); s.Paused == nil || s.Paused.Why != "it was called annex" {
			t.Errorf("paused: %+v", s.Paused)
		}
		w.end()
		w.start() // it has a state now, and is asked no more
		w.resume()
		w.pass(5 * time.Minute)
		w.wantSends(1)
	})
}

// One that has its old name again knows nothing of what it has sent meanwhile.
func TestAnAppThatTakesUpItsStateAsksWhatWasSentSince(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("maths")
		w.pass(5 * time.Minute)
		w.wantSends(1)
		w.end()
		var asked []time.Time
		why := "annex has sent"
		namesake := func(c *bridge.Config) {
			c.Namesake = func(_ context.Context, since time.Time) (string, error) {
				asked = append(asked, since)
				return why, nil
			}
		}
		stopped := time.Now()
		w.pass(time.Hour)
		w.startWith(namesake)
		w.cancelled("music")
		w.pass(5 * time.Minute)
		w.wantSends(1)
		if s := w.bridge.Status(); s.Paused == nil || s.Paused.Why != "annex has sent" {
			t.Errorf("paused: %+v", s.Paused)
		}
		if len(asked) != 1 || asked[0].IsZero() || asked[0].After(stopped) {
			t.Errorf("asked since %v, want once, since it was alive last, before %s", asked, stopped)
		}
		why = ""
		w.end()
		w.startWith(namesake)
		if len(asked) != 2 || !asked[1].After(stopped) {
			t.Errorf("asked since %v, want what came after the first claim", asked)
		}
		w.resume()
		w.pass(5 * time.Minute)
		w.wantSends(2)
	})
}

func TestAnAppKeyThatIsPutBackIsNotAnotherReason(t *testing.T) {
	inWorld(t, func(w *world) {
		other := compile(t, strings.Replace(scenarioRules, "${K}", "another-key", 1))
		for _, rules := range []bridge.Rules{other, w.rules, other} {
			w.bridge.Reload(rules)
			w.pass(time.Second)
		}
		if s := w.bridge.Status(); s.Paused == nil || strings.Count(s.Paused.Why, "App Key has changed") != 1 {
			t.Errorf("paused: %+v", s.Paused)
		}
		if lines := w.logged("the App Key has changed; the app is paused"); len(lines) != 3 || !strings.Contains(lines[1], "then, either way, belfry resume") {
			t.Errorf("the log says %q", lines)
		}
	})
}

func TestAnotherAppKeyPausesAnApp(t *testing.T) {
	for name, change := range map[string]func(w *world, other bridge.Rules){
		"by a reload": func(w *world, other bridge.Rules) { w.bridge.Reload(other) },
		"while it was down": func(w *world, other bridge.Rules) {
			w.end()
			w.rules = other
			w.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				change(w, compile(t, strings.Replace(scenarioRules, "${K}", "another-key", 1)))
				w.cancelled("maths")
				w.pass(5 * time.Minute)
				w.wantSends(0)
				if s := w.bridge.Status(); s.Paused == nil || !strings.HasPrefix(s.Paused.Why, "its App Key has changed") {
					t.Errorf("paused: %+v", s.Paused)
				}
				if len(w.logged("the App Key has changed; the app is paused")) != 1 {
					t.Error("the log does not tell of it once")
				}
				w.end()
				w.start() // the same key: not again
				w.resume()
				w.pass(5 * time.Minute)
				w.wantSends(1)
			})
		})
	}
}

// NATS was not there for a moment, or another replica was faster: neither is an error of ours.
func TestAClaimThatCannotAskForOtherNamesAsksAgainAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.end()
		var taken atomic.Bool
		until := time.Now().Add(2 * time.Second)
		w.startWith(func(c *bridge.Config) {
			c.Namesake = func(ctx context.Context, _ time.Time) (string, error) {
				if !taken.Swap(true) {
					w.lease.Revoke()
					<-ctx.Done()
				}
				if time.Now().Before(until) {
					return "", errors.New("no answer")
				}
				return "", ctx.Err()
			}
		})
		w.pass(5 * time.Second)
		if s := w.bridge.Status(); s.Role != bridge.RoleOwner {
			t.Errorf("it is %s", s.Role)
		}
		if lines := w.logged("left the app"); len(lines) != 0 {
			t.Errorf("the log says %q", lines)
		}
	})
}
