package bridge_test

import (
	"context"
	"errors"
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
