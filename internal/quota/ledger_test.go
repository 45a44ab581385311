package quota

import (
	"fmt"
	"testing"
	"time"
)

// The ledger is part of a state whose size is bounded.
func TestTheWordsOnSendsOfOthersAreKeptOfTheLatest(t *testing.T) {
	noon := at(t, "2026-11-02T12:00:00Z")
	limits := Limits{Windows: []Window{{Name: "day", Max: 1000, Rolling: 24 * time.Hour}}}
	var l Ledger
	l.ChargeAs("own", noon, 1, "ours")
	for i := range 2 * keepWords {
		l.External(fmt.Sprint(i), noon.Add(time.Duration(i)*time.Second), "a flash sale")
		l.Prune(noon.Add(time.Hour), limits)
	}
	kept := 0
	for _, s := range l.Spends {
		if s.Why == "a flash sale" {
			kept++
		}
	}
	if own, _ := l.Find("own"); len(l.Spends) != 2*keepWords+1 || kept != keepWords || own.Why != "ours" {
		t.Errorf("%d spends, %d with their words, ours is %+v; want all, %d", len(l.Spends), kept, own, keepWords)
	}
}
