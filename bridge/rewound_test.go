package bridge_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belfry-bridge/belfry/bridge"
)

// A backup is put back while no owner is left who knows what came after it:
// the app's results do.
func TestAnOlderStateThatIsPutBackBeginsPausedWithIDsOfItsOwn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("first")
		w.pass(3 * time.Minute)
		w.wantSends(1)
		w.cancelled("maths")
		w.pass(2 * time.Second)
		backup := w.store.Record() // "maths" is gathered in it
		w.pass(time.Hour)
		w.wantSends(2)
		w.end()
		w.store.Rewind(backup)
		w.born = "anew"
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

func TestWithoutTheStreamOfResultsAnAppIsClaimedAllTheSame(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cancelled("first")
		w.pass(3 * time.Minute)
		w.end()
		w.publisher.Fail = func(bridge.Publication) error { return errors.New("no responders") }
		w.start()
		w.pass(10 * time.Second)
		if s := w.bridge.Status(); s.Role != bridge.RoleOwner || s.Paused != nil {
			t.Errorf("the app is %s, paused %+v", s.Role, s.Paused)
		}
	})
}
