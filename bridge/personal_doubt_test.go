package bridge_test

import (
	"testing"
	"time"
)

func TestWhatComesBackJoinsNoPartInWhichItsUsersWouldReadAgainWhatTheyReadElsewhere(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(1, 20)
		tell("one", "one", "a0", "anna")
		w.pass(3 * time.Minute)
		tell("two", "two", append([]string{"anna"}, people("b", 1500)...)...) // two parts; anna is in the first
		w.notSent(w.bridge.Status().InDoubt[0].ID)                            // and there is room in the second
		w.pass(10 * time.Minute)
		if one, two := w.reads(2, "anna", "one"), w.reads(2, "anna", "two"); one != 1 || two != 1 {
			t.Errorf("anna reads \"one\" %d times and \"two\" %d times, want each once", one, two)
		}
	})
}
