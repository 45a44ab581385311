package bridge_test

import (
	"testing"
	"time"
)

// One digest came back, and found no room beside the other: anna is in both.
func TestNewsForTwoPartsWithAUserInCommonDisturbNobody(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(1, 20)
		tell("one", "one", append(people("a", 500), "anna")...)
		w.pass(3 * time.Minute)
		tell("two", "two", append(people("b", 600), "anna")...)
		w.notSent(w.bridge.Status().InDoubt[0].ID)
		tell("one", "one again", "anna")          // replaces the item where it waits
		tell("three", "three", "a0")              // has a place in one of them only
		tell("four", "four", people("c", 500)...) // more than fit beside either
		w.pass(10 * time.Minute)
		for _, want := range []struct {
			user, text string
			times      int
		}{
			{"anna", "one", 0},
			{"anna", "one again", 1},
			{"anna", "four", 1},
			{"a0", "three", 1},
			{"a0", "two", 0},
			{"c0", "four", 1},
			{"c499", "four", 1},
		} {
			if n := w.reads(2, want.user, want.text); n != want.times {
				t.Errorf("%s reads %q %d times, want %d", want.user, want.text, n, want.times)
			}
		}
	})
}
