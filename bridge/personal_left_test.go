package bridge_test

import (
	"testing"
	"time"
)

// A matter for more than 1,000 users leaves in parts. Whoever has read it in one
// that left gets no place in another that still waits with it.
func TestAUserWhoseFirstPartHasLeftReadsNothingTwice(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(0, 1)
		tell("one", "one", people("a", 1500)...) // two parts
		w.pass(3 * time.Minute)                  // the first goes; the hour's only send
		w.wantSends(1)
		w.end()
		w.start()                                // whoever goes on knows it, too
		tell("two", "two", people("b", 1000)...) // a new part 0, which is full
		tell("three", "three", "a0")             // who has read "one"
		w.pass(5 * time.Hour)
		if one, three := w.reads(1, "a0", "one"), w.reads(1, "a0", "three"); one != 1 || three != 1 {
			t.Errorf("a0 reads \"one\" %d times and \"three\" %d times, want each once", one, three)
		}
	})
}

// Nor in one that was in doubt when the other left, and comes back.
func TestAUserWhoseFirstPartHasLeftReadsNothingTwiceInOneThatComesBack(t *testing.T) {
	inWorld(t, func(w *world) {
		tell := w.inParts(1, 20)
		tell("one", "one", people("c", 500)...)
		w.pass(3 * time.Minute)
		doubt := w.bridge.Status().InDoubt[0].ID
		tell("one", "one", people("a", 500)...) // the same matter, for others
		w.pass(3 * time.Minute)
		w.wantSends(2)
		w.pauseFor("a look")
		w.notSent(doubt)
		tell("two", "two", "a0")
		w.resume()
		w.pass(10 * time.Minute)
		if one, two := w.reads(2, "a0", "one"), w.reads(2, "a0", "two"); one != 1 || two != 1 {
			t.Errorf("a0 reads \"one\" %d times and \"two\" %d times, want each once", one, two)
		}
	})
}
