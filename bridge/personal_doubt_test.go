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

func TestWhoHasReadNewerNewsDoesNotReadTheOlderWhenTheyComeBack(t *testing.T) {
	for name, newerLeaves := range map[string]bool{"that have left": true, "that wait in another part": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				tell := w.inParts(1, 20)
				tell("gate", "gate 1", people("a", 600)...)
				tell("one", "one", "anna", "carl")
				w.pass(3 * time.Minute)
				tell("gate", "gate 2", append(people("b", 600), "anna")...)
				if newerLeaves {
					w.pass(3 * time.Minute)
				}
				w.notSent(w.bridge.Status().InDoubt[0].ID)
				w.pass(10 * time.Minute)
				for _, want := range []struct {
					user, text string
					times      int
				}{
					{"anna", "gate 1", 0}, {"anna", "gate 2", 1}, {"anna", "one", 1},
					{"carl", "gate 1", 1}, {"carl", "one", 1}, {"a0", "gate 1", 1}, {"b0", "gate 2", 1},
				} {
					if n := w.reads(2, want.user, want.text); n != want.times {
						t.Errorf("%s reads %q %d times, want %d", want.user, want.text, n, want.times)
					}
				}
				if c := w.bridge.Status().Counts; c.Items != c.Sent+c.Replaced {
					t.Errorf("the account is %+v", c)
				}
			})
		})
	}
}

func TestWhatIsOutdatedForAllWhoWouldReadItDoesNotGoAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(1, 20)
		tell("gate", "gate 1", "anna", "bob")
		w.pass(3 * time.Minute)
		for _, user := range []string{"anna", "bob"} {
			tell("gate", "gate 2", user)
			w.pass(3 * time.Minute)
		}
		w.notSent(w.bridge.Status().InDoubt[0].ID)
		w.pass(10 * time.Minute)
		w.wantSends(3)
		if c := w.bridge.Status().Counts; c.Items != 3 || c.Sent != 2 || c.Replaced != 1 {
			t.Errorf("the account is %+v", c)
		}
	})
}
